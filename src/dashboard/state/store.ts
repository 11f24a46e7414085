/** All that the views share. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { collectFacets, type Facets } from "./facets.ts";
import { type Feed, startFeed } from "./feed.ts";
import { followSessions, type SessionList } from "./sessions.ts";

export interface Store {
  feed: Feed;
  facets: { readonly value: Facets };
  sessions: SessionList;
}

export function startStore(): Store {
  const feed = startFeed();
  return { feed, facets: collectFacets(feed), sessions: followSessions(feed) };
}

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("no store");
  return store;
}
