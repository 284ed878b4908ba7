// The request body as far as it must be kept: until an attempt can take it, and then as long as
// another attempt might need it. Bounded; what exceeds the bound makes the request unrepeatable.

import { latin1 } from './channel.ts'

export class Replay {
  /** The body bytes so far as latin1, in order. */
  text = ''
  /** Bytes of the body seen so far, kept or not. */
  seen = 0
  /** Some bytes were let go: the body can't be sent again. */
  lost = false

  reset(): void {
    this.text = ''
    this.seen = 0
    this.lost = false
  }

  /**
   * Notes body bytes. They are kept while they fit in `max`, or while nobody has taken the earlier
   * ones (`held`: then the caller stops reading the client beyond `max`).
   */
  append(bytes: Buffer, start: number, end: number, max: number, held: boolean): void {
    this.seen += end - start
    if (this.lost) return
    if (!held && this.seen > max) {
      this.drop()
      return
    }
    this.text += latin1(bytes, start, end)
  }

  /** Lets go of the kept bytes, e.g. once a response has begun. */
  drop(): void {
    this.text = ''
    this.lost = this.seen > 0
  }
}
