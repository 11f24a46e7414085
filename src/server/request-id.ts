/** Every answer carries an id, by which it is found again in the log. */

export const REQUEST_ID_HEADER = "X-Request-Id";

/** What a client, or a proxy before it, may call its request; anything else is none. */
const GIVEN = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Makes what names requests: as their sender does, or by a number that no other request of any server has. It is a
 * counter, for a random id takes longer than all the rest of a small request.
 */
export function createRequestIds(): (request: Request) => string {
  const prefix = crypto.randomUUID().slice(0, 8);
  let count = 0;
  return ({ headers }) => {
    const given = headers.get(REQUEST_ID_HEADER);
    if (given !== null && GIVEN.test(given)) return given;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
