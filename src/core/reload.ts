// What a reload is asked for and what becomes of it: shared by signal, command line, admin API and
// whoever carries it out. Plain data.

/** A setting with its value before and after; `null` where it is not set. Secrets are not shown. */
export interface SettingChange {
  readonly path: string
  readonly before: string | null
  readonly after: string | null
}

/** Something with a name that is kept, with other settings. */
export interface ThingChange {
  readonly name: string
  readonly settings: readonly SettingChange[]
  /** Under its name there is something new: its address or protocol is another one. */
  readonly isReplaced: boolean
}

export interface Differences {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly ThingChange[]
}

export interface PoolChange {
  readonly name: string
  readonly settings: readonly SettingChange[]
  readonly backends: Differences
}

/** A change that the running process can't go over to. */
export interface FixedChange extends SettingChange {
  /** What to do instead. */
  readonly advice: string
}

/** What one configuration says otherwise than another. */
export interface PlanDiff {
  readonly listeners: Differences
  readonly pools: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly PoolChange[]
  }
  /** Of the process: `runtime.drain`, `log.level`. */
  readonly settings: readonly SettingChange[]
  /** Not empty: a reload refuses the whole configuration. */
  readonly fixed: readonly FixedChange[]
}

/** What asks for a reload. */
export type ReloadSource = 'signal' | 'api' | 'file'

export interface ReloadWish {
  readonly source: ReloadSource
  readonly by: string
  /** A configuration as YAML. Absent: the process reads its own again. */
  readonly text?: string
  /** What errors call `text`. */
  readonly name?: string
  /** Only say what would happen. */
  readonly dryRun?: boolean
  /** Taken back after so long unless it is confirmed. */
  readonly confirmMs?: number
  /** Entity tags, one of which the configuration in force must have. */
  readonly etags?: readonly string[]
}

/** What is wrong with a configuration, and where. */
export interface ConfigFinding {
  readonly file: string
  /** Where in the tree: `pools.web.timeouts.connect`; may be empty. */
  readonly path: string
  /** From 1; 0 when it is about the file as a whole. */
  readonly line: number
  readonly column: number
  readonly message: string
  /** What to do about it. */
  readonly hint: string | null
}

/** Something that would go, or be replaced, and what it has under way. */
export interface Leaving {
  readonly kind: 'listener' | 'backend'
  /** `web`, or `pool/backend`. */
  readonly name: string
  /** Client connections of a listener; exchanges and tunnels on a backend. */
  readonly sessions: number
}

/** Why a configuration did not come into force. */
export type ReloadRefusal =
  /** It has errors. */
  | 'config-invalid'
  /** It changes what a reload can't. */
  | 'config-refused'
  /** Another one waits for its confirmation, or came later. */
  | 'busy'
  /** It would not be safe now, or an address is taken. */
  | 'refused'
  /** Another one came into force since the one that it was made for. */
  | 'changed'

interface ReloadFacts {
  /** One sentence. */
  readonly message: string
  /** Of the configuration in force after this. */
  readonly version: string
  /** `null` where there is no plan to compare. */
  readonly changes: PlanDiff | null
  readonly leaving: readonly Leaving[]
  /** How long what runs on things that go may take to finish. */
  readonly drainMs: number
  readonly warnings: readonly ConfigFinding[]
  /** Until it is taken back; `null` if it stays. */
  readonly revertsInMs: number | null
}

export type ReloadAnswer = ReloadFacts &
  (
    | {
        /** `planned`: a dry run of something that can be applied. */
        readonly outcome: 'applied' | 'unchanged' | 'planned'
      }
    | {
        readonly outcome: 'refused'
        readonly code: ReloadRefusal
        readonly errors: readonly ConfigFinding[]
      }
  )

/** A configuration that is in force for a time only. */
export interface PendingConfirmation {
  readonly by: string
  /** Wall clock, ms since 1970. */
  readonly revertsAt: number
  readonly revertsInMs: number
  /** What it goes back to. */
  readonly previous: string
  /** Its time is over and it can't be taken back, for this reason; `null`: nothing of the kind. */
  readonly trouble: string | null
}

/** Where the configuration stands. */
export interface ConfigStatus {
  /** Hash of what is configured, without secrets: the same in every process that has the same. */
  readonly version: string
  /** As an entity tag; another one after each change, also of secrets. */
  readonly etag: string
  /** What the process reads: a path, or `environment`; `null` if it can't read anything again. */
  readonly source: string | null
  /** How the last reload went; `null` before the first. */
  readonly last: LastReload | null
  readonly pending: PendingConfirmation | null
}

export interface LastReload {
  readonly outcome: 'applied' | 'unchanged' | 'refused' | 'reverted'
  /** `signal`, `api`, `file` or `timeout`. */
  readonly source: string
  readonly by: string
  readonly message: string
  /** Wall clock, ms since 1970. */
  readonly at: number
}

/** Bounds of `confirmMs`. */
export const CONFIRM_MIN_MS = 1_000
export const CONFIRM_MAX_MS = 86_400_000
