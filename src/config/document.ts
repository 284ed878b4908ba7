// YAML text to a plain tree of maps, lists and scalars. Scalars stay text (but for plain `true` and
// `false`): the schema knows which type each one is meant to have, YAML could only guess.
// Environment variables and secrets are put in here; anchors, aliases and `<<` are followed.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import { type Diagnostic, diagnose, type Path, type Place } from './diagnostics.ts'
import { type Sources, substitute } from './environment.ts'
import { explainYamlError } from './yaml-errors.ts'
import { isMerge, keyText, mergeSources, resolveAlias, YamlText } from './yaml-text.ts'

/** Scalars are strings, but for plain `true` and `false`; an empty value is `null`. */
export type Tree = string | boolean | null | readonly Tree[] | { readonly [key: string]: Tree }

export interface ParsedDocument {
  /** `undefined` when the text is no YAML. */
  readonly tree: Tree | undefined
  readonly source: YamlText
  readonly diagnostics: readonly Diagnostic[]
  /** Paths that already have an error here, so that the value found there means nothing. */
  readonly failed: readonly Path[]
}

/** Parses one document and puts in the values of its `${...}`. */
export function parseYaml(text: string, file: string, sources: Sources): ParsedDocument {
  const document = parseDocument(text, {
    prettyErrors: false,
    // Duplicates are found below, where both places are known.
    uniqueKeys: false,
    merge: true,
  })
  const source = new YamlText(file, text, document)
  const error = document.errors[0] ?? document.warnings[0]
  if (error !== undefined) {
    // What follows the first error is mostly its echo.
    return { tree: undefined, source, diagnostics: [explainYamlError(error, source)], failed: [] }
  }
  const reader = new TreeReader(document, source, sources)
  const tree = reader.read(document.contents, [])
  return { tree, source, diagnostics: reader.diagnostics, failed: reader.failed }
}

// An alias bomb must not become memory: more nodes, and deeper, than any real configuration.
const nodesMax = 1_000_000
const depthMax = 50

/**
 * The first line, from 1, on which brackets, dashes or indentation go beyond any real nesting; 0 if
 * none. The YAML parser recurses, and at the end of the stack V8 may end the process, so it must
 * not see such a text. Brackets in quotes and comments are counted too: no matter at this depth.
 */
export function depthExceededAt(text: string): number {
  let brackets = 0
  let number = 0
  const indents = [0]
  for (const line of text.split('\n')) {
    number++
    const [lead = ''] = /^(?: *[-?:] )* */.exec(line) ?? []
    const indent = lead.length
    if (line.length > indent) {
      while (indents.length > 1 && indents.at(-1)! >= indent) indents.pop()
      indents.push(indent)
    }
    const marks = lead.replaceAll(' ', '').length
    for (const char of line) {
      if (char === '[' || char === '{') brackets++
      else if (char === ']' || char === '}') brackets = Math.max(0, brackets - 1)
      if (brackets > depthMax * 2) return number
    }
    if (indents.length + marks > depthMax * 2) return number
  }
  return 0
}

class TreeReader {
  readonly diagnostics: Diagnostic[] = []
  readonly failed: Path[] = []
  readonly #document: Document
  readonly #source: YamlText
  readonly #sources: Sources
  #nodes = 0

  constructor(document: Document, source: YamlText, sources: Sources) {
    this.#document = document
    this.#source = source
    this.#sources = sources
  }

  read(node: unknown, path: Path): Tree {
    if (this.#nodes > nodesMax) return null
    if (++this.#nodes > nodesMax || path.length > depthMax) {
      this.#nodes = Infinity
      this.#report([], null, 'the file repeats itself by aliases too often, or nests too deeply')
      return null
    }
    if (isAlias(node)) return this.#readAlias(node, path)
    if (isMap(node)) return this.#readMap(node, path)
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index]))
    if (!isScalar(node) || node.value === null) return null
    return this.#readScalar(node, path)
  }

  #readAlias(alias: Alias, path: Path): Tree {
    const target = resolveAlias(alias, this.#document)
    if (target !== null) return this.read(target, path)
    const name = alias.source
    this.#report(
      path,
      this.#source.ofNode(alias),
      `*${name} is a YAML alias, but no anchor &${name} comes before it`,
      `if the text is meant, quote it: "*${name}"`,
    )
    return null
  }

  #readMap(map: YAMLMap, path: Path): Tree {
    const result: Record<string, Tree> = Object.create(null)
    const first = new Map<string, Pair>()
    for (const pair of map.items) {
      if (isMerge(pair)) continue
      const key = this.#readKey(pair, path)
      if (key === null) continue
      const earlier = first.get(key)
      if (earlier === undefined) {
        first.set(key, pair)
        result[key] = this.read(pair.value, [...path, key])
      } else {
        const { line } = this.#source.ofNode(earlier.key as Scalar)
        this.#report(
          [...path, key],
          this.#source.ofNode(pair.key as Scalar),
          `is written twice (first on line ${line})`,
          'remove one of the two, or give it another name',
        )
      }
    }
    this.#merge(map, path, result)
    return result
  }

  // Explicit keys win over merged ones, an earlier source over a later one (YAML merge type).
  #merge(map: YAMLMap, path: Path, result: Record<string, Tree>): void {
    for (const source of mergeSources(map, this.#document)) {
      if (isMap(source)) {
        const merged = this.read(source, path) as Record<string, Tree> | null
        for (const key of Object.keys(merged ?? {})) {
          if (!(key in result)) result[key] = merged![key]!
        }
      } else {
        const pair = map.items.find(isMerge)!
        this.#report(
          [...path, '<<'],
          this.#source.ofNode(pair.key as Scalar),
          'needs a map, or a list of maps, to merge',
          'put &name on a map further up, and write <<: *name',
        )
      }
    }
  }

  #readKey(pair: Pair, path: Path): string | null {
    const key = keyText(pair.key)
    if (key !== null && key !== '' && key !== '__proto__') return key
    const place = isScalar(pair.key) || isMap(pair.key) ? this.#source.ofNode(pair.key) : null
    this.#report(path, place, 'this cannot be a key', 'a key is a word followed by a colon')
    return null
  }

  #readScalar(node: Scalar, path: Path): string | boolean {
    // `source` is the text as written, before YAML made 1.10 a number; quotes are off already.
    const text = node.source ?? String(node.value)
    if (node.type === 'PLAIN' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
    if (!text.includes('${')) return text
    const { text: value, secret, faults } = substitute(text, this.#sources)
    if (secret) this.#source.secrets.add(JSON.stringify(path))
    for (const { message, hint, token } of faults) {
      this.#report(path, this.#placeOfToken(node, token), message, hint)
    }
    return value
  }

  #placeOfToken(node: Scalar, token: string): Place {
    const [start, end] = node.range!
    const offset = this.#source.text.slice(start, end).indexOf(token)
    if (offset < 0) return this.#source.ofNode(node)
    return this.#source.stretch(start + offset, start + offset + token.length)
  }

  #report(path: Path, place: Place | null, message: string, hint: string | null = null): void {
    this.failed.push(path)
    const problem = { severity: 'error', path, on: 'value', message, hint } as const
    const found = diagnose(problem, this.#source)
    this.diagnostics.push(place === null ? found : { ...found, ...place })
  }
}
