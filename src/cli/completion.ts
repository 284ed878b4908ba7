// `evenkeel completion SHELL`: completion scripts, generated from the command tree, so that they
// can't know other commands or options than the program does.

import type { Option } from 'commander'
import { Argument, Command } from 'commander'
import { put } from './terminal.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

export function completionCommand(program: () => Command): Command {
  return new Command('completion')
    .description('Print a completion script for a shell.')
    .addArgument(new Argument('<SHELL>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  evenkeel completion bash > /etc/bash_completion.d/evenkeel
  evenkeel completion zsh > "\${fpath[1]}/_evenkeel"
  evenkeel completion fish > ~/.config/fish/completions/evenkeel.fish`,
    )
    .action((shell: Shell) => put(completionScript(shell, program())))
}

interface Verb {
  readonly name: string
  readonly description: string
  readonly options: readonly Option[]
  /** Words its argument may be; empty where that is a file or anything. */
  readonly words: readonly string[]
  readonly takesFile: boolean
}

/** The script of one shell for a command tree. */
function completionScript(shell: Shell, program: Command): string {
  const verbs = program.commands.map(describe)
  if (shell === 'bash') return bash(verbs)
  return shell === 'zsh' ? zsh(verbs) : fish(verbs)
}

function describe(command: Command): Verb {
  const argument = command.registeredArguments[0]
  return {
    name: command.name(),
    description: command.description(),
    options: command.options,
    words: argument?.argChoices ?? command.commands.map((sub) => sub.name()),
    takesFile: argument?.name() === 'FILE',
  }
}

function flagsOf(option: Option): string[] {
  return [option.short, option.long].filter((flag) => flag !== undefined)
}

function takesFile(option: Option): boolean {
  return option.flags.includes('<FILE>')
}

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) => {
    const flags = [...verb.options.flatMap(flagsOf), '--help']
    const files = verb.takesFile ? '; files=1' : ''
    return `    ${verb.name}) words="${[...flags, ...verb.words].join(' ')}"${files} ;;`
  })
  // The same option may take other words with another command.
  const values = verbs.flatMap((verb) => {
    return verb.options.flatMap((option) => {
      const flags = flagsOf(option).map((flag) => `'${verb.name} ${flag}'`)
      if (takesFile(option)) return [`    ${flags.join('|')}) words=''; files=1 ;;`]
      if (option.argChoices === undefined) return []
      return [`    ${flags.join('|')}) words="${option.argChoices.join(' ')}"; files= ;;`]
    })
  })
  return `# bash completion for evenkeel
_evenkeel() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words='' files=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${verbs.map((verb) => verb.name).join(' ')} help"
  else
    case \${COMP_WORDS[1]} in
${cases.join('\n')}
    help) words="${verbs.map((verb) => verb.name).join(' ')}" ;;
    esac
    case "\${COMP_WORDS[1]} $before" in
${values.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -o filenames -F _evenkeel evenkeel
`
}

function zsh(verbs: readonly Verb[]): string {
  const quoted = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(':', '\\:')
  const list = verbs.map((verb) => `    '${verb.name}:${quoted(verb.description)}'`)
  const cases = verbs.map((verb) => {
    const specs = verb.options.flatMap((option) =>
      flagsOf(option).map((flag) => `'${flag}[${quoted(option.description)}]${zshValue(option)}'`),
    )
    const words = verb.words.length > 0 ? [`'1:word:(${verb.words.join(' ')})'`] : []
    const files = verb.takesFile ? ["'1:file:_files'"] : []
    return `    ${verb.name}) _arguments ${[...specs, ...words, ...files].join(' ')} ;;`
  })
  return `#compdef evenkeel
_evenkeel() {
  local -a verbs
  verbs=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
_evenkeel "$@"
`
}

function zshValue(option: Option): string {
  if (takesFile(option)) return ':file:_files'
  if (option.argChoices !== undefined) return `:value:(${option.argChoices.join(' ')})`
  return option.required ? ':value:' : ''
}

function fish(verbs: readonly Verb[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
  const lines = ['# fish completion for evenkeel', 'complete -c evenkeel -f']
  for (const verb of verbs) {
    const first = `complete -c evenkeel -n __fish_use_subcommand -a ${verb.name}`
    lines.push(`${first} -d ${quoted(verb.description)}`)
    const here = `complete -c evenkeel -n '__fish_seen_subcommand_from ${verb.name}'`
    for (const option of verb.options) {
      const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`
      const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`
      const value = takesFile(option)
        ? ' -r -F'
        : option.argChoices === undefined
          ? option.required
            ? ' -x'
            : ''
          : ` -x -a '${option.argChoices.join(' ')}'`
      lines.push(`${here}${short}${long}${value} -d ${quoted(option.description)}`)
    }
    if (verb.words.length > 0) lines.push(`${here} -a '${verb.words.join(' ')}'`)
    if (verb.takesFile) lines.push(`${here} -F`)
  }
  return `${lines.join('\n')}\n`
}
