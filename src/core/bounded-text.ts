// The text of an answer from elsewhere, which may be longer than anybody wants to keep.

/**
 * Reads to the end.
 * @param bytesMax what is longer is given up as soon as that shows
 * @param tooLong what is thrown then
 */
export async function boundedText(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
  tooLong: () => Error,
): Promise<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let text = ''
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > bytesMax) throw tooLong()
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
