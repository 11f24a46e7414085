/** The page's entry. */
import { render } from "preact";
import { App } from "./app.tsx";
import { sessionInPage } from "./state/exported.ts";
import { beginLogin } from "./state/login.ts";
import { linkTo } from "./state/route.ts";
import { startStore, StoreContext } from "./state/store.ts";
import { ExportedPage } from "./views/session/exported-page.tsx";

const root = document.getElementById("app") as HTMLElement;
const exported = sessionInPage();

/** To draw the frame first and then what is in it costs more time than the first answer takes to come. */
const FIRST_DRAWING_MS = 250;

if (exported === null) {
  beginLogin();
  const store = startStore();
  await Promise.race([store.feed.ready, new Promise((resolve) => setTimeout(resolve, FIRST_DRAWING_MS))]);
  render(
    <StoreContext.Provider value={store}>
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
