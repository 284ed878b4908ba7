// What a metric is: a name, its meaning, and how its series are read off a subject.

/** Takes one series: labels as they stand between braces, and the end of a histogram's name. */
export type Emit = (labels: string, value: number, suffix?: string) => void

/** One metric over subjects of one kind. */
export interface Family<Subject> {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  read(subject: Subject, emit: Emit): void
}

/** One label with its value, escaped. */
export function label(name: string, value: string): string {
  const escaped = /[\\"\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value
  return `${name}="${escaped}"`
}
