import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildProgram } from '../../../src/cli/program.ts'

const program = buildProgram(() => {})

for (const command of [program, ...program.commands]) {
  test(`the help of '${command.name()}' ends with an example that the command understands`, () => {
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part) })
    command.outputHelp()
    const examples = /Examples?:\n((?: {2}.*\n?)+)/.exec(text)
    assert.ok(examples, text)
    for (const line of examples[1]!.trimEnd().split('\n')) {
      const words = /evenkeel ([a-z]+)(.*)/.exec(line)
      const named = program.commands.find((one) => one.name() === words?.[1])
      assert.ok(named !== undefined || line.includes('main.js'), line)
      for (const [option] of words?.[2]!
        .split('|')[0]!
        .matchAll(/(?<= )-{1,2}[a-z]+(?:-[a-z]+)*/g) ?? []) {
        const known = named?.options.some(({ short, long }) => short === option || long === option)
        assert.ok(known, `${line}: ${option}`)
      }
    }
  })
}
