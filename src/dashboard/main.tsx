/** The page's entry. */
import { render } from "preact";
import { App } from "./app.tsx";
import { startStore, StoreContext } from "./state/store.ts";

render(
  <StoreContext.Provider value={startStore()}>
    <App />
  </StoreContext.Provider>,
  document.getElementById("app") as HTMLElement,
);
