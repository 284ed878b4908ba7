// The text of a YAML file as places: offset to line and column, and a path in the tree to the
// stretch of text where its key or value stands.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  visit,
  type YAMLMap,
} from 'yaml'
import type { Path, Place, Source } from './diagnostics.ts'
import { withoutSecrets } from './secret-text.ts'

export class YamlText implements Source {
  readonly file: string
  readonly text: string
  /** Paths whose value came from a `${file:...}`. */
  readonly secrets = new Set<string>()
  readonly #document: Document
  /** The text as it may be shown; `null` until it is. */
  #shown: string | null = null

  constructor(file: string, text: string, document: Document) {
    this.file = file
    this.text = text
    this.#document = document
  }

  /** The place of a stretch of text; one that goes over its line is cut at the line's end. */
  stretch(start: number, end: number): Place {
    // Counted here: the parser's own counter stops where it gives up on a text.
    const at = Math.min(start, this.text.length)
    const lineStart = this.#lineStart(at)
    const line = this.text.slice(0, lineStart).split('\n').length
    const col = at - lineStart + 1
    this.#shown ??= withoutSecrets(this.text, this.#document)
    const excerpt = lineFrom(this.#shown, lineStart)
    const length = Math.max(1, Math.min(end, lineStart + excerpt.length) - start)
    return { line, column: col, length, excerpt }
  }

  /** The line at an offset with all that stands in it; it must not be shown. */
  lineAt(at: number): string {
    return lineFrom(this.text, this.#lineStart(at))
  }

  #lineStart(at: number): number {
    return at === 0 ? 0 : this.text.lastIndexOf('\n', at - 1) + 1
  }

  ofNode(node: Node): Place {
    const [start, end] = node.range ?? [0, 0]
    return this.stretch(start, end)
  }

  place(path: Path, on: 'key' | 'value'): Place {
    const { key, value, complete } = this.#find(path)
    if (value !== null && (on === 'value' || key === null) && complete && !isEmpty(value)) {
      return this.ofNode(value)
    }
    return this.ofNode(key ?? value ?? ({ range: [0, 1, 1] } as Node))
  }

  refer(path: Path): string {
    return `line ${this.place(path, 'value').line}`
  }

  keys(path: Path): readonly string[] {
    const { value } = this.#find(path)
    const map = resolveAlias(value, this.#document)
    return isMap(map) ? keysOf(map, this.#document) : []
  }

  has(path: Path): boolean {
    return this.#find(path).complete
  }

  isSecret(path: Path): boolean {
    return this.secrets.has(JSON.stringify(path))
  }

  // The nodes at a path, or of the deepest part of it that exists.
  #find(path: Path): { key: Node | null; value: Node | null; complete: boolean } {
    let key: Node | null = null
    let value: Node | null = this.#document.contents
    for (const part of path) {
      const node = resolveAlias(value, this.#document)
      if (isMap(node)) {
        const pair = findPair(node, String(part), this.#document)
        if (pair === null) return { key: key ?? firstKey(node), value: null, complete: false }
        key = pair.key as Node
        value = pair.value as Node | null
      } else if (isSeq(node) && typeof part === 'number' && part < node.items.length) {
        key = null
        value = node.items[part] as Node
      } else {
        return { key, value, complete: false }
      }
    }
    return { key, value, complete: true }
  }
}

function lineFrom(text: string, start: number): string {
  const end = text.indexOf('\n', start)
  return text.slice(start, end < 0 ? undefined : end).trimEnd()
}

function firstKey(map: YAMLMap): Node | null {
  return (map.items[0]?.key as Node | undefined) ?? null
}

function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null && (node.source ?? '') === ''
}

const targetsOf = new WeakMap<Document, ReadonlyMap<Alias, Node>>()

// The library walks the whole document for each alias; here it is done once. An alias means the
// last anchor of its name before it; one inside its own anchor would have no end, so it means nothing.
function aliasTargets(document: Document): ReadonlyMap<Alias, Node> {
  const known = targetsOf.get(document)
  if (known !== undefined) return known
  const anchors = new Map<string, Node>()
  const targets = new Map<Alias, Node>()
  visit(document, {
    Node(_, node, ancestors) {
      if (isAlias(node)) {
        const target = anchors.get(node.source)
        if (target !== undefined && !ancestors.includes(target)) targets.set(node, target)
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node)
    },
  })
  targetsOf.set(document, targets)
  return targets
}

/** The node that an alias stands for; other nodes as they are, an unknown alias as `null`. */
export function resolveAlias(node: unknown, document: Document): Node | null {
  if (!isAlias(node)) return node as Node | null
  return aliasTargets(document).get(node) ?? null
}

/** Text of a key; `null` for one that is empty, a map or a list. */
export function keyText(key: unknown): string | null {
  if (!isScalar(key) || key.value === null) return null
  // `source` is the text as written; keys made by programs have none.
  return key.source ?? (typeof key.value === 'string' ? key.value : JSON.stringify(key.value))
}

export function isMerge(pair: Pair): boolean {
  return isScalar(pair.key) && pair.key.type === 'PLAIN' && pair.key.source === '<<'
}

/** What `<<` brings into a map, first come first served; things that are no map included. */
export function mergeSources(map: YAMLMap, document: Document): (Node | null)[] {
  const sources: (Node | null)[] = []
  for (const pair of map.items) {
    if (!isMerge(pair)) continue
    const value = resolveAlias(pair.value, document)
    if (isSeq(value)) for (const item of value.items) sources.push(resolveAlias(item, document))
    else sources.push(value)
  }
  return sources
}

const indexes = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

// An index per map, for the sake of pools with ten thousand backends.
function indexOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const known = indexes.get(map)
  if (known !== undefined) return known
  const index = new Map<string, Pair>()
  for (const pair of map.items) {
    const key = keyText(pair.key)
    if (key !== null && !index.has(key)) index.set(key, pair)
  }
  indexes.set(map, index)
  return index
}

function findPair(map: YAMLMap, key: string, document: Document): Pair | null {
  const own = indexOf(map).get(key)
  if (own !== undefined) return own
  for (const source of mergeSources(map, document)) {
    const found = isMap(source) ? findPair(source, key, document) : null
    if (found !== null) return found
  }
  return null
}

function keysOf(map: YAMLMap, document: Document): string[] {
  const keys = new Set<string>()
  for (const source of mergeSources(map, document)) {
    if (isMap(source)) for (const key of keysOf(source, document)) keys.add(key)
  }
  for (const pair of map.items) {
    const key = keyText(pair.key)
    if (key !== null && !isMerge(pair)) keys.add(key)
  }
  return [...keys]
}
