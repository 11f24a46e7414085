/**
 * Who asks, behind proxies: they name the address of their client in `X-Forwarded-For`, each behind those before it.
 * Anybody can send that header, so it is read from its end, and only as far as proxies have written it that are trusted.
 */
import { BlockList, isIP } from "node:net";

/** @returns the address a request is from, given that of who has connected */
export type SenderOf = (peer: string, headers: Headers) => string;

/** @param trusted addresses of proxies, or networks of them as `10.0.0.0/8` */
export function createSenderOf(trusted: readonly string[]): SenderOf {
  if (trusted.length === 0) return (peer) => peer;
  const proxies = new BlockList();
  for (const one of trusted) {
    const [address = "", bits] = one.split("/");
    const plain = plainAddress(address);
    const whole = isIP(plain) === 6 ? 128 : 32;
    proxies.addSubnet(plain, bits === undefined ? whole : Number(bits), familyOf(plain));
  }
  const isTrusted = (address: string) => isIP(address) !== 0 && proxies.check(address, familyOf(address));

  return (peer, headers) => {
    let address = plainAddress(peer);
    const hops = headers.get("x-forwarded-for")?.split(",") ?? [];
    while (isTrusted(address)) {
      const hop = plainAddress(hops.pop()?.trim() ?? "");
      if (isIP(hop) === 0) break;
      address = hop;
    }
    return address;
  };
}

/** On a socket for both families an address of IPv4 is shown as one of IPv6; some write brackets. */
function plainAddress(address: string): string {
  return address.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:(?=\d+\.)/i, "");
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
