// What is accepted with a warning.

import { backends, doubtful, pool, route, top, web } from './cases.ts'

doubtful(
  'a pool that nobody uses',
  'listeners:\n  web: { bind: ":8080", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n  old: { backends: [10.0.0.3:80, 10.0.0.4:80] }\n',
  `
bad.yaml:5:3: warning: pools.old: no listener uses this pool
    5 |   old: { backends: [10.0.0.3:80, 10.0.0.4:80] }
      |   ^^^
  hint: remove it, or use it
`,
)

doubtful(
  'a backend under two names',
  backends('{ a: 10.0.0.1:80, b: "10.0.0.1:80" }'),
  `
bad.yaml:5:36: warning: pools.app.backends.b: 10.0.0.1:80 is in this pool twice (line 5)
    5 |     backends: { a: 10.0.0.1:80, b: "10.0.0.1:80" }
      |                                    ^^^^^^^^^^^^^
  hint: one server under two names counts double and hides its failures; raise its weight instead
`,
)

doubtful(
  'a backend twice in a list',
  backends('["[fd00::1]:80", "[fd00:0::1]:80", "[fd00::1]:80"]'),
  `
bad.yaml:5:32: warning: pools.app.backends[1]: [fd00:0::1]:80 is in this pool twice (line 5)
    5 |     backends: ["[fd00::1]:80", "[fd00:0::1]:80", "[fd00::1]:80"]
      |                                ^^^^^^^^^^^^^^^^
  hint: one server under two names counts double and hides its failures; raise its weight instead
bad.yaml:5:50: warning: pools.app.backends[2]: [fd00::1]:80 is in this pool twice (line 5)
    5 |     backends: ["[fd00::1]:80", "[fd00:0::1]:80", "[fd00::1]:80"]
      |                                                  ^^^^^^^^^^^^^^
  hint: one server under two names counts double and hides its failures; raise its weight instead
`,
)

doubtful(
  'every backend kept available',
  pool('minAvailable: 2'),
  `
bad.yaml:6:19: warning: pools.app.minAvailable: 2 is every backend of this pool, so none could ever be ejected or drained
    6 |     minAvailable: 2
      |                   ^
  hint: make it at most 1
`,
)

doubtful(
  'a route behind one that takes everything',
  route('{ pool: app }\n      - { match: { path: /a }, pool: app }'),
  `
bad.yaml:6:9: warning: listeners.web.routes[1]: can never match: route #1 before it takes every such request (line 5)
    6 |       - { match: { path: /a }, pool: app }
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: put the narrower route first
`,
)

doubtful(
  'a route behind one with a shorter path',
  route(
    '{ match: { path: /a, method: [GET, HEAD] }, pool: app }\n      - { match: { path: /a/b, method: GET }, pool: app }\n      - { match: { path: /ab, method: GET }, pool: app }',
  ),
  `
bad.yaml:6:9: warning: listeners.web.routes[1]: can never match: route #1 before it takes every such request (line 5)
    6 |       - { match: { path: /a/b, method: GET }, pool: app }
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: put the narrower route first
`,
)

doubtful(
  'a prefix that does not belong to the route',
  route('{ match: { path: /api }, pool: app, stripPrefix: /v1 }'),
  `
bad.yaml:5:58: warning: listeners.web.routes[0].stripPrefix: /v1 is not at the beginning of every path this route matches (/api)
    5 |       - { match: { path: /api }, pool: app, stripPrefix: /v1 }
      |                                                          ^^^
  hint: other paths go unchanged; match.path: /v1 would leave them out
`,
)

doubtful(
  'a redirect in a circle',
  route('{ redirect: /new }'),
  `
bad.yaml:5:21: warning: listeners.web.routes[0].redirect: leads back to this same route, so clients would go in a circle
    5 |       - { redirect: /new }
      |                     ^^^^
  hint: redirect to a path that the route does not match
bad.yaml:7:3: warning: pools.app: no listener uses this pool
    7 |   app: { backends: [10.0.0.1:80, 10.0.0.2:80] }
      |   ^^^
  hint: remove it, or use it
`,
)

doubtful(
  'a queue that is never used',
  pool('limits: { queue: 10 }'),
  `
bad.yaml:6:22: warning: pools.app.limits.queue: has no effect, because without perBackend nothing ever waits
    6 |     limits: { queue: 10 }
      |                      ^^
  hint: set limits.perBackend, or remove queue
`,
)

doubtful(
  'nothing that notices failures',
  pool('outlierDetection: false'),
  `
bad.yaml:6:23: warning: pools.app.outlierDetection: is off, and there is no healthCheck: nothing would notice a dead backend
    6 |     outlierDetection: false
      |                       ^^^^^
  hint: add a healthCheck, such as healthCheck: { tcp: {} }
`,
)

doubtful(
  'no time for a retry',
  pool('retry: { attempts: 1 }\n    timeouts: { total: 5s, response: 5s }'),
  `
bad.yaml:7:24: warning: pools.app.timeouts.total: 5s leaves no time for a retry after an attempt that timed out (connect 1s + response 5s)
    7 |     timeouts: { total: 5s, response: 5s }
      |                        ^^
  hint: raise total above 6s, or lower response
`,
)

doubtful(
  'what tcp makes no use of',
  'listeners:\n  db: { bind: ":5432", protocol: tcp, pool: app }\npools:\n  app:\n    backends: [10.0.0.1:80, 10.0.0.2:80]\n    timeouts: { idle: 5m, response: 5s }\n',
  `
bad.yaml:6:17: warning: pools.app.timeouts.idle: has no effect: only tcp listeners use this pool
    6 |     timeouts: { idle: 5m, response: 5s }
      |                 ^^^^
  hint: for tcp the timeout is tunnelIdle
bad.yaml:6:27: warning: pools.app.timeouts.response: has no effect: only tcp listeners use this pool
    6 |     timeouts: { idle: 5m, response: 5s }
      |                           ^^^^^^^^
  hint: it applies to http
`,
)

doubtful(
  'a token that crosses the network readable',
  top('admin: { bind: 0.0.0.0:9900, tokens: { readOnly: 0123456789abcdef } }'),
  `
bad.yaml:1:16: warning: admin.bind: tokens cross the network readable, so who listens in may use them
    1 | admin: { bind: 0.0.0.0:9900, tokens: { readOnly: **************** } }
      |                ^^^^^^^^^^^^
  hint: set admin.tls with cert and key, or bind it to 127.0.0.1 and use an SSH tunnel
`,
)

doubtful(
  'a token for a unix socket',
  top('admin: { bind: unix:/run/admin.sock, tokens: { admin: 0123456789abcdef } }'),
  `
bad.yaml:1:38: warning: admin.tokens: has no effect on a unix socket: whoever may open it may do everything
    1 | admin: { bind: unix:/run/admin.sock, tokens: { admin: **************** } }
      |                                      ^^^^^^
  hint: remove it; the mode of the socket is 0660, and its folder says who gets there
`,
)

doubtful(
  'everybody trusted',
  web('pool: app, trustForwarded: [10.0.0.0/8, 0.0.0.0/0]'),
  `
bad.yaml:2:65: warning: listeners.web.trustForwarded[1]: 0.0.0.0/0 is everybody, so any client could pretend to have another address
    2 |   web: { bind: ":8080", pool: app, trustForwarded: [10.0.0.0/8, 0.0.0.0/0] }
      |                                                                 ^^^^^^^^^
  hint: name the proxies in front of Evenkeel only
`,
)

doubtful(
  'a backend that is the listener itself',
  backends('[127.0.0.1:8080, 10.0.0.2:80]'),
  `
bad.yaml:5:16: warning: pools.app.backends[0]: 127.0.0.1:8080 is listener web itself, so requests would go in a circle (line 2)
    5 |     backends: [127.0.0.1:8080, 10.0.0.2:80]
      |                ^^^^^^^^^^^^^^
  hint: give the address of the server behind Evenkeel
`,
)

doubtful(
  'a header removed and set',
  route('{ pool: app, requestHeaders: { set: { x-id: a }, remove: [x-id] } }'),
  `
bad.yaml:5:67: warning: listeners.web.routes[0].requestHeaders.remove[0]: x-id is also set, which replaces it anyway
    5 |       - { pool: app, requestHeaders: { set: { x-id: a }, remove: [x-id] } }
      |                                                                   ^^^^
  hint: remove it from this list
`,
)

doubtful(
  'a virtual IP address that no listener is on',
  'keepalived: { vip: 10.0.0.100 }\nlisteners: { web: { bind: "10.0.0.9:80", pool: app } }\npools: { app: { backends: [10.0.0.1:80, 10.0.0.2:80] } }\n',
  `
bad.yaml:1:20: warning: keepalived.vip: no listener is on 10.0.0.100, so nobody will answer there
    1 | keepalived: { vip: 10.0.0.100 }
      |                    ^^^^^^^^^^
  hint: bind a listener to it, or to every address (:8080)
`,
)

doubtful(
  'a virtual IP address without an admin API to ask for readiness',
  top('keepalived: { vip: 10.0.0.100 }\nadmin: false'),
  `
bad.yaml:1:1: warning: keepalived: keepalived finds a frozen Evenkeel through /readyz of the admin API, which is switched off
    1 | keepalived: { vip: 10.0.0.100 }
      | ^^^^^^^^^^
  hint: remove admin: false; unix:/path will do
`,
)

doubtful(
  'an objective that takes longer',
  pool('healthCheck: { http: / }\n    objective: { rto: 5s }'),
  `
bad.yaml:7:23: warning: pools.app.objective.rto: 5s can't be met: if its host, or the way to it, is gone, it takes up to 5.206s
    7 |     objective: { rto: 5s }
      |                       ^^
  hint: evenkeel check shows each step; the longest: until the next probe, 2.2s (interval 2s + 10%)
`,
)

doubtful(
  'an objective without a check',
  pool('objective: { rto: 5s }'),
  `
bad.yaml:6:23: warning: pools.app.objective.rto: 5s can't be promised: there is no health check, and live traffic comes as it likes
    6 |     objective: { rto: 5s }
      |                       ^^
  hint: add a healthCheck, such as healthCheck: { http: /health }
`,
)

doubtful(
  'an objective of one backend alone',
  backends('[10.0.0.1:80]\n    healthCheck: { http: / }\n    objective: { rto: 5s }'),
  `
bad.yaml:7:23: warning: pools.app.objective.rto: 5s can't be promised: there is no other backend
    7 |     objective: { rto: 5s }
      |                       ^^
  hint: add a second one
`,
)

doubtful(
  'an objective that a hanging process would break',
  pool('healthCheck: { tcp: {} }\n    objective: { rto: 1h }'),
  `
bad.yaml:7:23: warning: pools.app.objective.rto: 1h can't be promised: a process that hangs passes a check that only connects: its system accepts for it
    7 |     objective: { rto: 1h }
      |                       ^^
  hint: use a check that waits for an answer: http, redis, postgres, mysql, or tcp with expect
`,
)
