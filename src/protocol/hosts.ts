/** Host names and addresses, as they stand in configuration, URLs and `Host` headers. */

/** True for localhost, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = unbracket(host).toLowerCase();
  return (
    name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name)
  );
}

/** True for an IPv4 or IPv6 literal, with or without brackets. */
export function isIpLiteral(host: string): boolean {
  const name = unbracket(host);
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(name);
}

/** Whether an address of IPv4 or IPv6 is one in every part, where `isIpLiteral` looks at its form alone. */
export function isAddress(text: string): boolean {
  const host = text.includes(":") ? `[${text}]` : text;
  return isIpLiteral(text) && URL.canParse(`http://${host}`);
}

/** The address a server binds for a configured host: one family, knowingly. */
export function bindAddress(host: string): string {
  return host === "localhost" ? "127.0.0.1" : unbracket(host);
}

/** The address a client on this machine reaches a server at, whatever it is bound to. */
export function localAddress(host: string): string {
  const address = unbracket(host);
  if (address === "localhost" || address === "0.0.0.0" || address === "") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}

export type Scheme = "http" | "https";

/** The scheme of a URL of ours. */
export function schemeOf(url: string): Scheme {
  return url.startsWith("https:") ? "https" : "http";
}

/** The same as a URL. */
export function localUrl(host: string, port: number, scheme: Scheme = "http"): string {
  const address = localAddress(host);
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** The URL to show people. */
export function displayUrl(host: string, port: number, scheme: Scheme = "http"): string {
  const address = unbracket(host);
  const local = isLoopbackHost(address) ? address.replace(/^127\.0\.0\.1$/, "localhost") : address;
  if (local === "0.0.0.0" || local === "::") return `${scheme}://localhost:${port}`;
  return `${scheme}://${local.includes(":") ? `[${local}]` : local}:${port}`;
}

function unbracket(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
