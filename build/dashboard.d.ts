export declare function buildDashboard(): Promise<string>;
/** Puts the page, as it is now, in the place of the module that makes it: what is shipped cannot build. */
export declare function dashboardIncluded(): Promise<Bun.BunPlugin>;
