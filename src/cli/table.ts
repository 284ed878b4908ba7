// Text in columns.

/**
 * Rows of cells as aligned lines, two spaces apart. Widths are counted without colour codes.
 * @param right indexes of columns that hold numbers
 */
export function table(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, visible(cell))
    })
  }
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const gap = ' '.repeat(widths[i]! - visible(cell))
        return right.has(i) ? gap + cell : cell + gap
      })
      .join('  ')
      .trimEnd(),
  )
}

const escape = String.fromCodePoint(0x1b)

function visible(cell: string): number {
  let length = 0
  for (const [i, part] of cell.split(escape).entries()) {
    length += i === 0 ? part.length : part.length - part.indexOf('m') - 1
  }
  return length
}
