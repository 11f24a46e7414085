/** The page's entry. */
import { render } from "preact";
import { App } from "./app.tsx";
import { sessionInPage } from "./state/exported.ts";
import { linkTo } from "./state/route.ts";
import { startStore, StoreContext } from "./state/store.ts";
import { ExportedPage } from "./views/session/exported-page.tsx";

const root = document.getElementById("app") as HTMLElement;
const exported = sessionInPage();

if (exported === null) {
  render(
    <StoreContext.Provider value={startStore()}>
      <App />
    </StoreContext.Provider>,
    root,
  );
} else {
  if (exported !== "unreadable" && !location.hash.startsWith("#/session/")) {
    location.replace(linkTo("session", {}, exported.session.session_id));
  }
  render(<ExportedPage exported={exported} />, root);
}
