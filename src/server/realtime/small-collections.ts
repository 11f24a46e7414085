/**
 * A map and a set for a handful of entries, as much of them as Socket.IO uses. The built-in ones take 340 bytes with
 * their first entry (Bun 1.4.5), and a connection has several; looking through a list of two is as quick as hashing.
 */

export class SmallMap<Key, Value> {
  #keys: Key[];
  #values: Value[];

  constructor(entries: ReadonlyMap<Key, Value>) {
    this.#keys = [...entries.keys()];
    this.#values = [...entries.values()];
  }

  get size(): number {
    return this.#keys.length;
  }

  has(key: Key): boolean {
    return this.#keys.includes(key);
  }

  get(key: Key): Value | undefined {
    return this.#values[this.#keys.indexOf(key)];
  }

  set(key: Key, value: Value): this {
    const index = this.#keys.indexOf(key);
    this.#keys[index === -1 ? this.#keys.length : index] = key;
    this.#values[index === -1 ? this.#values.length : index] = value;
    return this;
  }

  delete(key: Key): boolean {
    const index = this.#keys.indexOf(key);
    if (index === -1) return false;
    this.#keys.splice(index, 1);
    this.#values.splice(index, 1);
    return true;
  }

  clear(): void {
    this.#keys = [];
    this.#values = [];
  }

  /** The values as they are now: entries may be deleted on the way. */
  values(): Iterable<Value> {
    return [...this.#values];
  }
}

export class SmallSet<Value> {
  readonly #values: Value[];

  constructor(...values: Value[]) {
    this.#values = values;
  }

  get size(): number {
    return this.#values.length;
  }

  has(value: Value): boolean {
    return this.#values.includes(value);
  }

  add(value: Value): this {
    if (!this.has(value)) this.#values.push(value);
    return this;
  }

  delete(value: Value): boolean {
    const index = this.#values.indexOf(value);
    if (index !== -1) this.#values.splice(index, 1);
    return index !== -1;
  }

  forEach(act: (value: Value) => void): void {
    for (const value of this) act(value);
  }

  /** Over the values as they are now. */
  [Symbol.iterator](): Iterator<Value> {
    return [...this.#values].values();
  }
}
