/** The dashboard as one HTML text. A build puts the text in the place of this module; from the sources it is made anew. */

export async function dashboardPage(): Promise<string> {
  const { buildDashboard } = await import("../../build/dashboard.ts");
  return buildDashboard();
}
