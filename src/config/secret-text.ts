// Which settings may hold a secret, by the names of their keys, and text of a configuration as it can
// be shown: with stars in the place of what they hold. Variables and names of files may be seen.

import { type Document, isAlias, isMap, isScalar, isSeq } from 'yaml'
import type { Path } from './diagnostics.ts'

/** Passwords, keys, header values, bytes for a server, hooks. */
const secretKeys =
  /^(password|secret|login|tls|tokens?|authorization|headers?|steps|send|key|command|exec|url|webhook)$/
/** Targets of requests: what stands behind the question mark may be one as well. */
const targetKeys = /^(path|primary|replica|endpoint|http)$/
/** Keys of a map whose own keys are names that people have chosen. */
const nameKeys = /^(pools|listeners|backends|sites|replicas|notify|rules)$/

/** How much of a value may be shown. */
type Showing = 'all' | 'target' | 'nothing'

/** Of the value at a path of a plan or of a configuration. */
export function showingOf(path: Path): Showing {
  let showing: Showing = 'all'
  let areNames = false
  for (const part of path) {
    showing = below(showing, String(part), areNames)
    areNames = !areNames && nameKeys.test(String(part))
  }
  return showing
}

function below(showing: Showing, key: string, isName: boolean): Showing {
  // Names of headers, to be taken out.
  if (showing === 'nothing') return key === 'remove' ? 'all' : 'nothing'
  if (isName) return 'all'
  if (secretKeys.test(key)) return 'nothing'
  if (targetKeys.test(key)) return 'target'
  return /^\d+$/.test(key) ? showing : 'all'
}

/** `${NAME}` and `${file:/path}` say where a secret is, and not what. */
const pointer = /(\$\{(?:file:[^}]*|\w+)\})/

/** A value with stars. */
export function starred(text: string, showing: Showing): string {
  const from = showing === 'all' ? text.length : showing === 'nothing' ? 0 : text.indexOf('?') + 1
  if (showing === 'target' && from === 0) return text
  const shown = text.slice(from).split(pointer)
  return text.slice(0, from) + shown.map((part, i) => (i % 2 === 1 ? part : stars(part))).join('')
}

function stars(text: string): string {
  return text.replaceAll(/[^\s"']/g, '*')
}

/** What hooks are called by: hidden in lines and lists, but a mistake in it has to be explained. */
const hookKeys = /^(exec|webhook)$/

/** A message about the value at a path, without what it quotes of a secret. */
export function withoutQuotes(message: string, path: Path): string {
  const isHook = path.some((part) => hookKeys.test(String(part)))
  if (isHook || showingOf(path) !== 'nothing') return message
  return message.replaceAll(/"(?:[^"\\]|\\.)*"/g, '(hidden)')
}

/** A stretch of the text that is not to be shown as it is. */
interface Hidden {
  readonly start: number
  readonly end: number
  readonly showing: Showing
}

/** A configuration's text with stars, of the same length. */
export function withoutSecrets(text: string, document: Document): string {
  const hidden: Hidden[] = []
  collect(document, hidden)
  let result = ''
  let at = 0
  for (const { start, end, showing } of hidden.sort(inOrder)) {
    if (start < at) continue
    result += text.slice(at, start) + starred(text.slice(start, end), showing)
    at = end
  }
  result += text.slice(at)
  return document.errors.length === 0 ? result : result.split('\n').map(guessed).join('\n')
}

function inOrder(one: Hidden, other: Hidden): number {
  return one.start - other.start || Number(one.showing > other.showing)
}

// What the parser could not read has no nodes.
function guessed(line: string): string {
  const found = /(?<![\w-])["']?(\w+)["']?(?:\s*:)?\s+/g
  for (const key of line.matchAll(found)) {
    if (!secretKeys.test(key[1]!)) continue
    const from = key.index + key[0].length
    const rest = line.slice(from).replaceAll(/\$\{[^}]*\}|[^\s{}[\],]+/g, (word) => {
      return word.endsWith(':') ? word : starred(word, 'nothing')
    })
    return line.slice(0, from) + rest
  }
  return line
}

/** Deeper than any configuration that is taken. */
const DEPTH_MAX = 100

interface How {
  readonly showing: Showing
  readonly areNames: boolean
  readonly depth: number
}

function collect(document: Document, hidden: Hidden[]): void {
  const anchors = new Map<string, unknown>()
  const seen = new Map<unknown, Set<string>>()
  walk(document.contents, { showing: 'all', areNames: false, depth: 0 })

  function walk(node: unknown, how: How): void {
    const { showing, areNames } = how
    const depth = how.depth + 1
    if (isAlias(node)) {
      walk(anchors.get(node.source), { ...how, depth })
      return
    }
    if (node === undefined || node === null || depth > DEPTH_MAX) return
    if (isKnown(node, `${showing} ${areNames}`)) return
    const { anchor } = node as { anchor?: string }
    if (anchor !== undefined) anchors.set(anchor, node)
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.source ?? key.value) : ''
        if (name === '<<') walk(value, { ...how, depth })
        else {
          const inner = below(showing, name, areNames)
          walk(value, { showing: inner, areNames: !areNames && nameKeys.test(name), depth })
        }
      }
    } else if (isSeq(node)) for (const item of node.items) walk(item, { ...how, depth })
    else if (isScalar(node) && showing !== 'all' && node.range) {
      const [start, end] = node.range
      hidden.push({ start, end, showing })
    }
  }

  // Aliases may lead to the same place very often.
  function isKnown(node: unknown, how: string): boolean {
    const before = seen.get(node) ?? new Set()
    seen.set(node, before)
    if (before.has(how)) return true
    before.add(how)
    return false
  }
}
