/** Programs that something else keeps up to date. */

const MANAGERS: { path: RegExp; name: string; command: string }[] = [
  { path: /[/\\]node_modules[/\\]/, name: "npm", command: "npm install --global claude-mpm-socketio@latest" },
  { path: /\/(Cellar|homebrew|linuxbrew)\//, name: "Homebrew", command: "brew upgrade claude-mpm-socketio" },
  { path: /[/\\]scoop[/\\]/i, name: "Scoop", command: "scoop update claude-mpm-socketio" },
  { path: /^\/nix\/store\//, name: "Nix", command: "nix profile upgrade" },
  {
    path: /^\/usr\/s?bin\//,
    name: "the system's packages",
    command: "install the newer .deb with apt, or .rpm with dnf",
  },
];

/** What installed a program and has to bring its upgrades; null where we may. */
export function packageManagerOf(program: string): { name: string; command: string } | null {
  return MANAGERS.find(({ path }) => path.test(program)) ?? null;
}
