// What the YAML parser trips over, in words for people who do not know YAML's grammar, with the
// pitfalls that load balancer settings run into: `*.host`, `[::1]:80` and `{a: ${X}}` unquoted.

import type { YAMLError } from 'yaml'
import type { Diagnostic } from './diagnostics.ts'
import type { YamlText } from './yaml-text.ts'

interface Explanation {
  readonly message: string
  readonly hint: string | null
  /** Where to point, if not where the parser gave up. */
  readonly start?: number
  readonly length?: number
}

/** The diagnostic for one error of the parser. */
export function explainYamlError(error: YAMLError, source: YamlText): Diagnostic {
  const at = error.pos[0]
  const lineStart = source.text.lastIndexOf('\n', at - 1) + 1
  const line = source.lineAt(Math.min(at, source.text.length))
  const found = pitfall(error, line, lineStart) ?? byCode(error, line, source.text)
  const start = found.start ?? at
  return {
    severity: 'error',
    file: source.file,
    ...source.stretch(start, found.length === undefined ? error.pos[1] : start + found.length),
    path: '',
    message: found.message,
    hint: found.hint,
  }
}

function pitfall(error: YAMLError, line: string, lineStart: number): Explanation | null {
  if (error.code !== 'UNEXPECTED_TOKEN' && error.code !== 'MISSING_CHAR') return null
  const variable = /[{[,](?:.*?[^"'$])?(\$\{[^}]*\}?)/.exec(line)
  if (variable !== null) {
    const token = variable[1]!
    return {
      message: `${token} must be quoted inside { } and [ ], where a brace has a meaning of its own`,
      hint: `write "${token}"`,
      start: lineStart + variable.index + variable[0].length - token.length,
      length: token.length,
    }
  }
  const v6 = /(?:[:-]\s+)(\[[0-9a-f:.%]*\](?::\d*)?)/i.exec(line)
  if (v6 !== null) {
    const address = v6[1]!
    return {
      message: 'an IPv6 address must be quoted, because YAML reads [ as the start of a list',
      hint: `write "${address}"`,
      start: lineStart + v6.index + v6[0].length - address.length,
      length: address.length,
    }
  }
  return null
}

const colonHint = 'a key is followed by a colon and a space, such as bind: 127.0.0.1:8080'

function byCode(error: YAMLError, line: string, text: string): Explanation {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab cannot indent', hint: 'YAML indents with spaces only', length: 1 }
    case 'BAD_SCALAR_START':
      return { message: 'a value that begins like this must be quoted', hint: 'put it in "..."' }
    case 'BLOCK_AS_IMPLICIT_KEY':
      return {
        message: 'there is a second colon and space in one line',
        hint: 'quote the value if it contains ": ", or start a new line',
        length: 1,
      }
    case 'MULTILINE_IMPLICIT_KEY':
      return { message: 'this line has no key', hint: colonHint }
    case 'MISSING_CHAR':
      return missing(error, text)
    case 'BAD_INDENT':
      return error.message.startsWith('Flow')
        ? unclosed(error, text)
        : {
            message: 'the indentation fits no level above it',
            hint: 'keys of one map begin in the same column, and what belongs to a key is indented further',
            start: error.pos[0] + /^ */.exec(line)![0].length,
            length: line.trimStart().length,
          }
    case 'MULTIPLE_DOCS':
      return {
        message: 'a second document begins here',
        hint: 'a configuration is one document: remove the --- line',
        length: 3,
      }
    case 'TAG_RESOLVE_FAILED':
      return { message: 'a tag means nothing here', hint: 'quote the value if it begins with !' }
    case 'BAD_DQ_ESCAPE':
      return {
        message: 'this is no escape sequence',
        hint: 'in double quotes a backslash is written \\\\; in single quotes it stands for itself',
        length: 2,
      }
    case 'BAD_ALIAS':
      return { message: 'this is no alias', hint: 'quote a value that begins with *' }
    default:
      return { message: `this is not YAML: ${error.message}`, hint: null }
  }
}

function missing(error: YAMLError, text: string): Explanation {
  if (error.message.includes('quote')) return unclosed(error, text)
  if (error.message.startsWith('Implicit')) {
    return { message: 'this line has no key', hint: colonHint }
  }
  return error.message.startsWith('Missing , or')
    ? { message: 'a comma is missing', hint: 'separate the items inside { } and [ ] with commas' }
    : unclosed(error, text)
}

// The parser gives up at the end of the file; what helps is where the thing began.
function unclosed(error: YAMLError, text: string): Explanation {
  const start = openedAt(text, error.pos[0])
  const opener = text[start] ?? ''
  const closer = opener === '{' ? '}' : opener === '[' ? ']' : opener
  return {
    message: opener === '' ? 'something is not closed' : `this ${opener} is never closed`,
    hint: opener === '' ? null : `add ${closer} at its end`,
    start,
    length: 1,
  }
}

// Position of the innermost quote or bracket that is open at `end`; the length of the text if none.
function openedAt(text: string, end: number): number {
  const open: number[] = []
  // Quotes open only where a value may begin; a # starts a comment only after a space.
  const steps = /(?<=^|[\s{[,:])(["'])|[{}[\]]|(?<=^|\s)#.*$/gm
  for (;;) {
    const found = steps.exec(text)
    if (found === null || found.index >= end) break
    const char = found[0]
    if (char === '"' || char === "'") {
      const closing = char === '"' ? /(?:\\.|[^"\\])*"/sy : /(?:''|[^'])*'/sy
      closing.lastIndex = found.index + 1
      const rest = closing.exec(text)
      if (rest === null || closing.lastIndex > end) return found.index
      steps.lastIndex = closing.lastIndex
    } else if (char === '{' || char === '[') open.push(found.index)
    else if (char === '}' || char === ']') open.pop()
  }
  return open.at(-1) ?? text.length
}
