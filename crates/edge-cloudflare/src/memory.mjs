// What one isolate remembers. Others know nothing of it, and it may be gone with the next request.

export class Memory {
  #entries = new Map();
  #capacity;

  constructor(capacity) {
    this.#capacity = capacity;
  }

  get(key) {
    const entry = this.#entries.get(key);
    if (entry && entry.until > Date.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  /** Remembers something for so many seconds. Where there is no room, the oldest go. */
  set(key, value, seconds) {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: Date.now() + 1000 * seconds });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#capacity) break;
      this.#entries.delete(oldest);
    }
  }

  delete(key) {
    this.#entries.delete(key);
  }

  /** Forgets everything whose key begins so. */
  deleteBelow(prefix) {
    for (const key of this.#entries.keys()) {
      if (key.startsWith(prefix)) this.#entries.delete(key);
    }
  }
}
