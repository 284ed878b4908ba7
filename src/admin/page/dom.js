// Makes and changes elements. Text goes in as text: names and reasons come from servers and strangers.
// The policy of the page forbids markup from texts altogether.

/**
 * An element. Keys of `props` are attributes; `on…` are listeners; `true` is an empty attribute, `false`
 * and `null` none.
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag)
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(key.slice(2), value)
    else if (value !== null && value !== false)
      element.setAttribute(key, value === true ? '' : value)
  }
  element.append(...children)
  return element
}

export function byId(id) {
  return document.getElementById(id)
}

/** Sets a text if it is another: a screen reader must not read again what is the same. */
export function say(element, text) {
  const now = String(text)
  if (element.textContent !== now) element.textContent = now
}

/** Sets or removes an attribute if that changes anything. */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown
}

/**
 * Keeps the children of an element in step with `items`: what is there already is changed in place and
 * keeps its focus.
 */
export class Rows {
  parent
  #rows = new Map()
  #create

  /** @param create makes `{ element, update(item), remove?() }` for a key */
  constructor(parent, create) {
    this.parent = parent
    this.#create = create
  }

  each(visit) {
    for (const row of this.#rows.values()) visit(row)
  }

  update(items, keyOf) {
    const wanted = new Set()
    let last = null
    for (const item of items) {
      const key = keyOf(item)
      wanted.add(key)
      let row = this.#rows.get(key)
      if (row === undefined) {
        row = this.#create(item)
        this.#rows.set(key, row)
      }
      const next = last === null ? this.parent.firstElementChild : last.nextElementSibling
      if (next !== row.element) this.parent.insertBefore(row.element, next)
      row.update(item)
      last = row.element
    }
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue
      row.remove?.()
      row.element.remove()
      this.#rows.delete(key)
    }
  }
}
