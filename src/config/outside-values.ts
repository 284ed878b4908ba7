// Values that name something outside: files, commands and URLs of hooks, endpoints and certificates
// of etcd. Their form only: nothing is looked up, run or opened here.

import { accept, quote, type Reading, refuse } from './units.ts'

/** A path that does not depend on the directory Evenkeel is started in. */
export function readAbsolutePath(text: string): Reading<string> {
  return text.startsWith('/') ? accept(text) : refuse(`${quote(text)} is not an absolute path`)
}

/** A command without arguments. One with arguments must be a list, as there is no shell. */
export function readCommand(text: string): Reading<string> {
  if (!/\s/.test(text.trim())) return readProgram(text)
  const words = text.trim().split(/\s+/)
  return refuse(
    `${quote(text)} is a line for a shell, and there is none`,
    `write a list: [${words.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(', ')}]`,
  )
}

/** The first word of a command: an absolute path, or a name to be found in PATH. */
export function readProgram(text: string): Reading<string> {
  if (text === '') return refuse('is empty', 'write the path of a program')
  if (text.includes('\0')) return refuse(`${quote(text)} holds a NUL`)
  if (text.includes('/') && !text.startsWith('/')) {
    return refuse(
      `${quote(text)} depends on the directory Evenkeel is started in`,
      'write an absolute path, or a name that is found in PATH',
    )
  }
  return accept(text)
}

/** The URL of a webhook. */
export function readWebhook(text: string): Reading<string> {
  const hint = 'write a URL such as https://example.com/failover'
  const url = readUrl(text, hint)
  if (!url.ok) return url
  if (url.value.hash !== '') return refuse(`${quote(text)} has a fragment`, hint)
  return accept(url.value.href)
}

/** Where an OTLP collector takes spans: as its exporters do, a bare address gets the usual path. */
export function readCollector(text: string): Reading<string> {
  const hint = 'write a URL such as http://127.0.0.1:4318'
  const url = readUrl(text, hint)
  if (!url.ok) return url
  if (url.value.hash !== '') return refuse(`${quote(text)} has a fragment`, hint)
  if (url.value.pathname === '/') url.value.pathname = '/v1/traces'
  return accept(url.value.href)
}

/** Base address of an etcd server: scheme, host and port, nothing else. */
export function readEndpoint(text: string): Reading<string> {
  const hint = 'write an endpoint such as https://10.0.0.1:2379'
  if (/^[\w.-]+(:\d+)?$/.test(text)) {
    const withPort = text.includes(':') ? text : `${text}:2379`
    return refuse(`${quote(text)} does not say how to connect`, `write http://${withPort}`)
  }
  const url = readUrl(text, hint)
  if (!url.ok) return url
  const { protocol, hostname, pathname, search, hash } = url.value
  if (pathname !== '/' || search !== '' || hash !== '') {
    return refuse(`${quote(text)} has a path`, hint)
  }
  // A URL drops the port that its scheme stands for, which is never etcd's.
  const port = /:(\d+)\/?$/.exec(text)?.[1]
  const bare = `${protocol}//${hostname}`
  if (port === undefined) return refuse(`${quote(text)} has no port`, `write ${bare}:2379`)
  return accept(`${bare}:${Number(port)}`)
}

function readUrl(text: string, hint: string): Reading<URL> {
  if (!/^https?:\/\/[^/?#\s]/i.test(text) || !URL.canParse(text)) {
    return refuse(`${quote(text)} is not a URL`, hint)
  }
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    return refuse('a URL with a password in it ends up in logs', 'give user and password apart')
  }
  return accept(url)
}

/** A bearer token: long enough that nobody guesses it, and of characters that a header takes. */
export function readToken(text: string): Reading<string> {
  const hint = 'make one with: openssl rand -hex 32'
  if (!/^[\x21-\x7e]*$/.test(text)) return refuse('has blanks or characters beyond ASCII', hint)
  if (text.length < 16) return refuse(`has ${text.length} characters; 16 are the least`, hint)
  return text.length > 1_024 ? refuse('has more than 1024 characters', hint) : accept(text)
}

/** The text of certificates or of a key, not the path of their file. */
export function readPem(text: string): Reading<string> {
  if (/^-----BEGIN [A-Z0-9 ]+-----\r?\n/m.test(text)) return accept(text)
  if (/^\.{0,2}\/\S+$|^\S+\.(pem|crt|cer|key)$/.test(text)) {
    return refuse(`${quote(text)} is a path`, `write \${file:${text}}, quoted inside braces`)
  }
  return refuse('is not PEM text', 'write ${file:/path/to/file.pem}; it begins with -----BEGIN')
}
