// The attempts in one phase on one backend, oldest first: an intrusive list, so that joining and
// leaving cost nothing and a rescue or the silence rule finds them without a search.

/** An attempt's place in a list; the attempt itself extends it. */
export interface AttemptLink {
  list: AttemptList | null
  previous: AttemptLink | null
  next: AttemptLink | null
}

export class AttemptList {
  head: AttemptLink | null = null
  tail: AttemptLink | null = null

  /** Appends a link that is in no list. */
  push(link: AttemptLink): void {
    link.list = this
    link.previous = this.tail
    link.next = null
    if (this.tail === null) this.head = link
    else this.tail.next = link
    this.tail = link
  }
}

/** Takes a link out of its list, if it is in one. */
export function unlink(link: AttemptLink): void {
  const list = link.list
  if (list === null) return
  if (link.previous === null) list.head = link.next
  else link.previous.next = link.next
  if (link.next === null) list.tail = link.previous
  else link.next.previous = link.previous
  link.list = null
  link.previous = null
  link.next = null
}
