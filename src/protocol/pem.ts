/** Certificates as texts (RFC 7468). */

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";

/**
 * The certificate in a text that a client is to believe: the first, which is the server's own. To believe its issuer as
 * well would be to believe everybody who has one of theirs. Null where there is none.
 */
export function ownCertificate(text: string): string | null {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END, begin);
  return begin === -1 || end === -1 ? null : text.slice(begin, end + END.length);
}
