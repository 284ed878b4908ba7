// Reads server-sent events off a response, one after the other (WHATWG HTML §9.2.6, as far as our own
// stream uses it).

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'

export interface SentEvent {
  readonly id: string | null
  readonly kind: string
  readonly data: Record<string, unknown>
}

export class EventReader {
  readonly response: IncomingMessage
  readonly #lines: AsyncIterator<string>
  /** Comments and `retry:` so far. */
  readonly asides: string[] = []

  constructor(response: IncomingMessage) {
    this.response = response
    this.#lines = linesOf(response)
  }

  /** The next event; `null` at the end of the stream. */
  async next(): Promise<SentEvent | null> {
    let id: string | null = null
    let kind = ''
    let data = ''
    for (;;) {
      const { value: line, done } = await this.#lines.next()
      if (done === true) return null
      if (line === '' && data !== '') return { id, kind, data: JSON.parse(data) }
      if (line.startsWith('id: ')) id = line.slice(4)
      else if (line.startsWith('event: ')) kind = line.slice(7)
      else if (line.startsWith('data: ')) data += line.slice(6)
      else if (line !== '') this.asides.push(line)
    }
  }

  close(): void {
    this.response.destroy()
  }
}

/** Follows the events at a path. */
export async function readEvents(
  port: number,
  path: string,
  headers: Record<string, string> = {},
): Promise<EventReader> {
  const call = request({ host: '127.0.0.1', port, path, agent: false, headers })
  call.on('error', () => {})
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  return new EventReader(response)
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  response.setEncoding('utf8')
  try {
    for await (const chunk of response) {
      rest += String(chunk)
      const lines = rest.split('\n')
      rest = lines.pop()!
      yield* lines
    }
  } catch {
    // It was cut.
  }
}
