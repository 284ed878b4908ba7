// Keys that several parts share because they call something outside: a command, a URL, headers.
// What each part says of them, and what it requires, is in its own schema.

import { z } from 'zod'
import { readHeaderValue } from './http-values.ts'
import { either, headerNamePattern, named, text } from './leaf.ts'
import { readCommand, readWebhook } from './outside-values.ts'

/** `exec`: a command and its arguments, as a list; one word needs no list. */
export const execSchema = either('a list: a command and its arguments', [
  text('a command', readCommand).transform((command) => [command]),
  z.array(text('a word of the command')),
])
  .optional()
  .describe('Command to run, as a list: the command, then its arguments. There is no shell.')

/** `webhook`: where a POST goes. */
export const webhookSchema = text('a URL', readWebhook).optional()

/** `headers` of a request, besides those that it always has. */
export const headersSchema = named(
  text('a value', readHeaderValue),
  'a map from header names to values',
  headerNamePattern,
).prefault({})
