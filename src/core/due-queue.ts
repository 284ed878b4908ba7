// Who is due next, among up to many thousands, on one timer: a binary heap that knows where each
// member stands, so that a due time can be moved in O(log n).

/** Members 0…size−1, each with at most one due time. */
export class DueQueue {
  /** Heap of members. */
  readonly #heap: Int32Array
  /** Place of each member in the heap; −1 if it is not in. */
  readonly #place: Int32Array
  readonly #dueMs: Float64Array
  #count = 0

  constructor(size: number) {
    this.#heap = new Int32Array(size)
    this.#place = new Int32Array(size).fill(-1)
    this.#dueMs = new Float64Array(size)
  }

  /** Sets or moves the due time of a member; Infinity takes it out. */
  set(member: number, dueMs: number): void {
    const place = this.#place[member]!
    if (dueMs === Infinity) {
      if (place >= 0) this.#remove(place)
      return
    }
    if (place < 0) {
      this.#dueMs[member] = dueMs
      this.#heap[this.#count] = member
      this.#place[member] = this.#count
      this.#up(this.#count++)
      return
    }
    const before = this.#dueMs[member]!
    this.#dueMs[member] = dueMs
    if (dueMs < before) this.#up(place)
    else this.#down(place)
  }

  /** The earliest due time; Infinity when empty. */
  nextMs(): number {
    return this.#count === 0 ? Infinity : this.#dueMs[this.#heap[0]!]!
  }

  /** Takes out the first member that is due at `nowMs`; −1 if there is none. */
  take(nowMs: number): number {
    if (this.#count === 0) return -1
    const member = this.#heap[0]!
    if (this.#dueMs[member]! > nowMs) return -1
    this.#remove(0)
    return member
  }

  #remove(place: number): void {
    this.#place[this.#heap[place]!] = -1
    const last = this.#heap[--this.#count]!
    if (place === this.#count) return
    this.#heap[place] = last
    this.#place[last] = place
    this.#up(place)
    this.#down(this.#place[last])
  }

  #up(from: number): void {
    const member = this.#heap[from]!
    const due = this.#dueMs[member]!
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = this.#heap[parent]!
      if (this.#dueMs[other]! <= due) break
      this.#heap[place] = other
      this.#place[other] = place
      place = parent
    }
    this.#heap[place] = member
    this.#place[member] = place
  }

  #down(from: number): void {
    const member = this.#heap[from]!
    const due = this.#dueMs[member]!
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#count) break
      const right = child + 1
      if (
        right < this.#count &&
        this.#dueMs[this.#heap[right]!]! < this.#dueMs[this.#heap[child]!]!
      ) {
        child = right
      }
      const other = this.#heap[child]!
      if (this.#dueMs[other]! >= due) break
      this.#heap[place] = other
      this.#place[other] = place
      place = child
    }
    this.#heap[place] = member
    this.#place[member] = place
  }
}
