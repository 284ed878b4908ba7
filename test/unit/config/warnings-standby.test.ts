// What is accepted with a warning in active-standby pools.

import { doubtful } from './cases.ts'
import { failover, inSites, standby } from './standby-cases.ts'

doubtful(
  'nothing to fail over to',
  standby('', '{ a: 10.0.0.1:80 }'),
  `
bad.yaml:7:5: warning: pools.app.backends: there is one backend only: nothing to fail over to
    7 |     backends: { a: 10.0.0.1:80 }
      |     ^^^^^^^^
  hint: add the standby, or write mode: active-active
`,
)

doubtful(
  'a server that stands by for itself',
  standby('', '{ a: "[fd00::1]:80", b: "[FD00:0::1]:80" }'),
  `
bad.yaml:7:39: warning: pools.app.backends.b: [FD00:0::1]:80 is in this pool twice, and no server can stand by for itself (line 7)
    7 |     backends: { a: "[fd00::1]:80", b: "[FD00:0::1]:80" }
      |                                       ^^^^^^^^^^^^^^^^
  hint: give the address of another server, or remove it
`,
)

doubtful(
  'an active that is forgotten',
  standby().replace('stateDir: /var/lib/evenkeel', 'threads: 1'),
  `
bad.yaml:6:11: warning: pools.app.mode: who is active, and whether it is frozen, is forgotten at each restart
    6 |     mode: active-standby
      |           ^^^^^^^^^^^^^^
  hint: add runtime: { stateDir: /var/lib/evenkeel }
`,
)

doubtful(
  'a floor under one active',
  standby('minAvailable: 1'),
  `
bad.yaml:9:5: warning: pools.app.minAvailable: has no effect: in an active-standby pool one backend serves
    9 |     minAvailable: 1
      |     ^^^^^^^^^^^^
  hint: remove it
`,
)

doubtful(
  'a balance for one active',
  standby('balance: least-connections'),
  `
bad.yaml:9:5: warning: pools.app.balance: has no effect: one backend serves, and no listener or route with role: replica reads from the standbys
    9 |     balance: least-connections
      |     ^^^^^^^
  hint: remove it, or write mode: active-active
`,
)

doubtful(
  'a weight where the order counts, but for 0,',
  standby('', '{ a: { address: 10.0.0.1:80, weight: 5 }, b: { address: 10.0.0.2:80, weight: 0 } }'),
  `
bad.yaml:7:44: warning: pools.app.backends.a.weight: has no effect in an active-standby pool: the order of the backends counts
    7 |     backends: { a: { address: 10.0.0.1:80, weight: 5 }, b: { address: 10.0.0.2:80, weight: 0 } }
      |                                            ^^^^^^
  hint: remove it
`,
)

doubtful(
  'a time of stability for nothing',
  failover('stableFor: 1m'),
  `
bad.yaml:9:17: warning: pools.app.failover.stableFor: has no effect with failback: manual
    9 |     failover: { stableFor: 1m }
      |                 ^^^^^^^^^
  hint: write failback: auto, or remove it
`,
)

doubtful(
  'a failback to a replica that nobody promotes',
  failover('failback: auto').replace('tcp: {}', 'redis: {}'),
  `
bad.yaml:9:27: warning: pools.app.failover.failback: auto has no effect: the preferred backend comes back as a replica, and without a promote hook nobody here makes it the primary
    9 |     failover: { failback: auto }
      |                           ^^^^
  hint: add promote, or write failback: manual
`,
)

doubtful(
  'a drain longer than requests are held',
  failover('drain: 10s'),
  `
bad.yaml:9:24: warning: pools.app.failover.drain: 10s is longer than new requests are held (pauseMax 1s), so a move may refuse some
    9 |     failover: { drain: 10s }
      |                        ^^^
  hint: raise pauseMax above 10s, or lower drain
`,
)

doubtful(
  'a drain of what is destroyed',
  failover('sessions: destroy, drain: 10s'),
  `
bad.yaml:9:36: warning: pools.app.failover.drain: has no effect with sessions: destroy
    9 |     failover: { sessions: destroy, drain: 10s }
      |                                    ^^^^^
  hint: write sessions: drain, or remove it
`,
)

doubtful(
  'a drain behind tcp',
  failover('drain: 500ms').replace('pool: app', 'pool: app, protocol: tcp'),
  `
bad.yaml:9:17: warning: pools.app.failover.drain: has no effect with sessions: destroy, the default behind a tcp listener
    9 |     failover: { drain: 500ms }
      |                 ^^^^^
  hint: write sessions: drain, or remove it
`,
)

doubtful(
  'a drain between sites that overlap',
  standby('sites: [a, b]\n    failover: { drain: 5s }', inSites('a', 'b')).replace(
    'active-standby',
    'active-active',
  ),
  `
bad.yaml:10:17: warning: pools.app.failover.drain: has no effect between sites without hooks: what runs in a site that is left may finish
   10 |     failover: { drain: 5s }
      |                 ^^^^^
  hint: remove it, or write sessions: destroy
`,
)

doubtful(
  'a cold site that is forgotten',
  standby('sites: { a: hot, b: cold }', inSites('a', 'b'))
    .replace('active-standby', 'active-active')
    .replace('stateDir: /var/lib/evenkeel', 'threads: 1'),
  `
bad.yaml:9:12: warning: pools.app.sites: who is active, and whether it is frozen, is forgotten at each restart
    9 |     sites: { a: hot, b: cold }
      |            ^^^^^^^^^^^^^^^^^^^
  hint: add runtime: { stateDir: /var/lib/evenkeel }
`,
)

doubtful(
  'a limit of lag without readers',
  failover('replicaLag: 10s'),
  `
bad.yaml:9:17: warning: pools.app.failover.replicaLag: has no effect, as no listener or route with role: replica reads from the standbys
    9 |     failover: { replicaLag: 10s }
      |                 ^^^^^^^^^^
  hint: add role: replica there, or remove it
`,
)

doubtful(
  'a pause longer than the queue',
  standby('failover: { pauseMax: 10s }\n    timeouts: { queue: 2s }'),
  `
bad.yaml:9:27: warning: pools.app.failover.pauseMax: 10s is longer than any request waits (timeouts.queue 2s) (line 10)
    9 |     failover: { pauseMax: 10s }
      |                           ^^^
  hint: raise timeouts.queue, or lower pauseMax
`,
)

doubtful(
  'no room for what is held',
  standby('limits: { queue: 0 }'),
  `
bad.yaml:9:22: warning: pools.app.limits.queue: 0 means that no request is held during a move, and all are refused
    9 |     limits: { queue: 0 }
      |                      ^
  hint: raise it, or write failover: { pauseMax: 0 }
`,
)

doubtful(
  'a preferred site that is cold',
  standby('sites: { seoul: cold, busan: hot }', inSites('seoul', 'busan')),
  `
bad.yaml:9:21: warning: pools.app.sites.seoul: is the preferred site, and cold: it would not be taken by itself at the start
    9 |     sites: { seoul: cold, busan: hot }
      |                     ^^^^
  hint: let the first site be hot
`,
)
