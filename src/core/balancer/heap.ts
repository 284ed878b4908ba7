// A binary heap of small integers, ordered by a number each. Allocates only when it is made.

/** The least key comes first; among equal keys the lower id. */
export class IdHeap {
  readonly #ids: Int32Array
  readonly #keys: Float64Array
  size = 0

  /** @param capacity ids are below this, and at most so many are in it at once */
  constructor(capacity: number) {
    this.#ids = new Int32Array(capacity)
    this.#keys = new Float64Array(capacity)
  }

  /** The first id; only if `size` > 0. */
  first(): number {
    return this.#ids[0]!
  }

  push(id: number, key: number): void {
    const ids = this.#ids
    const keys = this.#keys
    keys[id] = key
    let place = this.size++
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = ids[parent]!
      const otherKey = keys[other]!
      if (otherKey < key || (otherKey === key && other < id)) break
      ids[place] = other
      place = parent
    }
    ids[place] = id
  }

  /** Removes and returns the first id; only if `size` > 0. */
  pop(): number {
    const ids = this.#ids
    const keys = this.#keys
    const top = ids[0]!
    const size = --this.size
    const id = ids[size]!
    const key = keys[id]!
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      let least = ids[child]!
      let leastKey = keys[least]!
      if (child + 1 < size) {
        const right = ids[child + 1]!
        const rightKey = keys[right]!
        if (rightKey < leastKey || (rightKey === leastKey && right < least)) {
          child++
          least = right
          leastKey = rightKey
        }
      }
      if (key < leastKey || (key === leastKey && id < least)) break
      ids[place] = least
      place = child
    }
    ids[place] = id
    return top
  }
}
