// Environment variables and secrets that do not work out.

import { bad, pool, route } from './cases.ts'

bad(
  'a variable that is not set',
  pool('balance: ${BALANCE}'),
  `
bad.yaml:6:14: error: pools.app.balance: the environment variable BALANCE is not set
    6 |     balance: \${BALANCE}
      |              ^^^^^^^^^^
  hint: set it, or give a default: \${BALANCE:-default}
`,
)

bad(
  'a misspelled variable',
  pool('balance: ${BALANCING_KIND}'),
  `
bad.yaml:6:14: error: pools.app.balance: the environment variable BALANCING_KIND is not set
    6 |     balance: \${BALANCING_KIND}
      |              ^^^^^^^^^^^^^^^^^
  hint: did you mean BALANCING? Or give a default: \${BALANCING_KIND:-default}
`,
)

bad(
  'a variable of several that is not set',
  pool('healthCheck: { http: "/${PART}/${NONE}/x" }'),
  `
bad.yaml:6:36: error: pools.app.healthCheck.http: the environment variable NONE is not set
    6 |     healthCheck: { http: "/\${PART}/\${NONE}/x" }
      |                                    ^^^^^^^
  hint: set it, or give a default: \${NONE:-default}
`,
)

bad(
  'a form of another program',
  pool('balance: ${BALANCE?none}'),
  `
bad.yaml:6:14: error: pools.app.balance: "\${BALANCE?none}" is not a substitution known here
    6 |     balance: \${BALANCE?none}
      |              ^^^^^^^^^^^^^^^
  hint: write \${NAME}, \${NAME:-default} or \${file:/path}
`,
)

bad(
  'a default within a default',
  pool('balance: ${BALANCE:-${OTHER}}'),
  `
bad.yaml:6:14: error: pools.app.balance: "\${BALANCE:-\${OTHER}" has another \${ inside it
    6 |     balance: \${BALANCE:-\${OTHER}}
      |              ^^^^^^^^^^^^^^^^^^^
  hint: nesting is not supported
`,
)

bad(
  'a brace that is not closed',
  pool('balance: "${BALANCE"'),
  `
bad.yaml:6:15: error: pools.app.balance: \${ has no closing brace
    6 |     balance: "\${BALANCE"
      |               ^^^^^^^^^
  hint: write \${NAME}, \${NAME:-default} or \${file:/path}; $\${ is a literal \${
`,
)

bad(
  'a file that is not there',
  pool('balance: ${file:/nowhere}'),
  `
bad.yaml:6:14: error: pools.app.balance: cannot read /nowhere: there is no such file
    6 |     balance: \${file:/nowhere}
      |              ^^^^^^^^^^^^^^^^
`,
)

bad(
  'a file without a name',
  pool('balance: ${file:}'),
  `
bad.yaml:6:14: error: pools.app.balance: "\${file:}" names no file
    6 |     balance: \${file:}
      |              ^^^^^^^^
  hint: write \${NAME}, \${NAME:-default} or \${file:/path}
`,
)

bad(
  'a variable of the wrong type',
  pool('healthCheck: { tcp: {}, rise: "${PART}" }'),
  `
bad.yaml:6:35: error: pools.app.healthCheck.rise: "part" is not a whole number
    6 |     healthCheck: { tcp: {}, rise: "\${PART}" }
      |                                   ^^^^^^^^^
  hint: write a whole number from 1 to 100
`,
)

bad(
  'a variable with a name nearly like one that is set',
  pool('balance: ${BALANCNG}'),
  `
bad.yaml:6:14: error: pools.app.balance: the environment variable BALANCNG is not set
    6 |     balance: \${BALANCNG}
      |              ^^^^^^^^^^^
  hint: did you mean BALANCING? Or give a default: \${BALANCNG:-default}
`,
)

bad(
  'a value that sounds secret',
  route('{ pool: app, requestHeaders: { set: { x-token: "${API_TOKEN}" } } }'),
  `
bad.yaml:5:56: error: listeners.web.routes[0].requestHeaders.set.x-token: the secret does not fit here
    5 |       - { pool: app, requestHeaders: { set: { x-token: "\${API_TOKEN}" } } }
      |                                                        ^^^^^^^^^^^^^^
`,
)

bad(
  'a mistake in an anchor that is used twice',
  'x-check: &check { tcp: {}, interval: 5 }\n' +
    pool(
      'healthCheck: *check\n  api:\n    backends: [10.0.0.3:80, 10.0.0.4:80]\n    healthCheck: { <<: *check, timeout: 3s }',
    ),
  `
bad.yaml:1:38: error: pools.app.healthCheck.interval: "5" has no unit
    1 | x-check: &check { tcp: {}, interval: 5 }
      |                                      ^
  hint: write 5ms, 5s or 5m; the units are ms, s, m, h and d
`,
)
