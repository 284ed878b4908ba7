// What a server said, made fit to be shown: printable, short, and without what we said in secret.

/** How much of it is shown. */
const SHOWN_CHARS = 120

const NAMED: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t' }

/**
 * In quotation marks, control characters escaped, cut at 120 characters. Servers repeat what they
 * don't understand, so every occurrence of a secret becomes `***`.
 */
export function serverText(said: Buffer | string, secrets: readonly string[]): string {
  let text = typeof said === 'string' ? said : said.toString('utf8')
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '***')
  // oxlint-disable-next-line no-control-regex -- making them visible is the purpose
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/g, escape)
  return plain.length > SHOWN_CHARS ? `"${plain.slice(0, SHOWN_CHARS)}…"` : `"${plain}"`
}

function escape(character: string): string {
  const named = NAMED[character]
  if (named !== undefined) return named
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : '·'
}
