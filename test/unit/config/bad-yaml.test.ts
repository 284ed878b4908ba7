// What YAML itself trips over, and the words for it.

import { bad, route, top, web } from './cases.ts'

bad(
  'an empty file',
  '',
  `
bad.yaml:1:1: error: there is no configuration in this file
    1 |
      | ^
  hint: a configuration has the keys listeners and pools; see conf/quickstart.yaml
`,
)

bad(
  'a file of comments',
  '# nothing\n',
  `
bad.yaml:1:1: error: there is no configuration in this file
    1 | # nothing
      | ^
  hint: a configuration has the keys listeners and pools; see conf/quickstart.yaml
`,
)

bad(
  'a list at the top',
  '- a\n- b\n',
  `
bad.yaml:1:1: error: expected keys with values, found a list
    1 | - a
      | ^^^
  hint: a configuration has the keys listeners and pools; see conf/quickstart.yaml
`,
)

bad(
  'a word at the top',
  'listeners\n',
  `
bad.yaml:1:1: error: expected keys with values, found text
    1 | listeners
      | ^^^^^^^^^
  hint: a configuration has the keys listeners and pools; see conf/quickstart.yaml
`,
)

bad(
  'a tab as indentation',
  'listeners:\n\tweb:\n',
  `
bad.yaml:2:1: error: a tab cannot indent
    2 | 	web:
      | ^
  hint: YAML indents with spaces only
`,
)

bad(
  'a key written twice',
  'listeners:\n  web: { bind: ":80", pool: app }\n  api: { bind: ":81", pool: app }\n  web: { bind: ":82", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:4:3: error: listeners.web: is written twice (first on line 2)
    4 |   web: { bind: ":82", pool: app }
      |   ^^^
  hint: remove one of the two, or give it another name
`,
)

bad(
  'a key written twice, once in quotes',
  web('pool: app, "pool": app'),
  `
bad.yaml:2:36: error: listeners.web.pool: is written twice (first on line 2)
    2 |   web: { bind: ":8080", pool: app, "pool": app }
      |                                    ^^^^^^
  hint: remove one of the two, or give it another name
`,
)

bad(
  'a host pattern that YAML takes for an alias',
  route('{ match: { host: *.example.com }, pool: app }'),
  `
bad.yaml:5:26: error: listeners.web.routes[0].match.host: *.example.com is a YAML alias, but no anchor &.example.com comes before it
    5 |       - { match: { host: *.example.com }, pool: app }
      |                          ^^^^^^^^^^^^^
  hint: if the text is meant, quote it: "*.example.com"
`,
)

bad(
  'a host pattern that YAML takes for an alias, in block style',
  route('match:\n          host: *.example.com\n        pool: app'),
  `
bad.yaml:6:17: error: listeners.web.routes[0].match.host: *.example.com is a YAML alias, but no anchor &.example.com comes before it
    6 |           host: *.example.com
      |                 ^^^^^^^^^^^^^
  hint: if the text is meant, quote it: "*.example.com"
`,
)

bad(
  'an alias without its anchor',
  top('runtime: *none'),
  `
bad.yaml:1:10: error: runtime: *none is a YAML alias, but no anchor &none comes before it
    1 | runtime: *none
      |          ^^^^^
  hint: if the text is meant, quote it: "*none"
`,
)

bad(
  'an IPv6 address without quotes',
  'listeners:\n  web:\n    bind: [::1]:8080\n    pool: app\n',
  `
bad.yaml:3:11: error: an IPv6 address must be quoted, because YAML reads [ as the start of a list
    3 |     bind: [::1]:8080
      |           ^^^^^^^^^^
  hint: write "[::1]:8080"
`,
)

bad(
  'a variable without quotes inside braces',
  'listeners:\n  web: { bind: ${BIND}, pool: app }\n',
  `
bad.yaml:2:16: error: \${BIND} must be quoted inside { } and [ ], where a brace has a meaning of its own
    2 |   web: { bind: \${BIND}, pool: app }
      |                ^^^^^^^
  hint: write "\${BIND}"
`,
)

bad(
  'a variable without quotes inside brackets',
  'listeners:\n  web:\n    trustForwarded: [${TRUSTED}]\n',
  `
bad.yaml:3:22: error: \${TRUSTED} must be quoted inside { } and [ ], where a brace has a meaning of its own
    3 |     trustForwarded: [\${TRUSTED}]
      |                      ^^^^^^^^^^
  hint: write "\${TRUSTED}"
`,
)

bad(
  'a colon without a space',
  'listeners:\n  web:\n    bind:8080\n',
  `
bad.yaml:3:5: error: listeners.web: expected a listener: a map with bind and pool or routes, found "bind:8080"
    3 |     bind:8080
      |     ^^^^^^^^^
  hint: if a key is meant, put a space after its colon: bind: 8080
`,
)

bad(
  'a colon without a space, followed by another line',
  'listeners:\n  web:\n    bind:8080\n    pool: app\n',
  `
bad.yaml:3:5: error: this line has no key
    3 |     bind:8080
      |     ^^^^^^^^^
  hint: a key is followed by a colon and a space, such as bind: 127.0.0.1:8080
`,
)

bad(
  'a line with two keys',
  'listeners: web: 1\n',
  `
bad.yaml:1:12: error: there is a second colon and space in one line
    1 | listeners: web: 1
      |            ^
  hint: quote the value if it contains ": ", or start a new line
`,
)

bad(
  'a quote that is not closed',
  'listeners:\n  web:\n    bind: ":8080\n',
  `
bad.yaml:3:11: error: this " is never closed
    3 |     bind: ":8080
      |           ^
  hint: add " at its end
`,
)

bad(
  'a brace that is not closed',
  'listeners:\n  web: { bind: ":8080", pool: app\n',
  `
bad.yaml:2:8: error: this { is never closed
    2 |   web: { bind: ":8080", pool: app
      |        ^
  hint: add } at its end
`,
)

bad(
  'a bracket that is not closed',
  'pools:\n  app:\n    backends: [10.0.0.1:80, 10.0.0.2:80\n',
  `
bad.yaml:3:15: error: this [ is never closed
    3 |     backends: [10.0.0.1:80, 10.0.0.2:80
      |               ^
  hint: add ] at its end
`,
)

bad(
  'an indentation that fits nothing',
  'listeners:\n    web:\n      bind: :80\n   api:\n      bind: :81\n',
  `
bad.yaml:4:4: error: the indentation fits no level above it
    4 |    api:
      |    ^^^^
  hint: keys of one map begin in the same column, and what belongs to a key is indented further
`,
)

bad(
  'a reserved character at the beginning',
  'log:\n  level: @info\n',
  `
bad.yaml:2:10: error: a value that begins like this must be quoted
    2 |   level: @info
      |          ^
  hint: put it in "..."
`,
)

bad(
  'a percent sign at the beginning',
  'log:\n  level: %info\n',
  `
bad.yaml:2:10: error: a value that begins like this must be quoted
    2 |   level: %info
      |          ^
  hint: put it in "..."
`,
)

bad(
  'an unknown escape',
  'log:\n  level: "\\d"\n',
  `
bad.yaml:2:11: error: this is no escape sequence
    2 |   level: "\\d"
      |           ^^
  hint: in double quotes a backslash is written \\\\; in single quotes it stands for itself
`,
)

bad(
  'a list without a comma',
  'pools:\n  app:\n    backends: ["10.0.0.1:80" "10.0.0.2:80"]\n',
  `
bad.yaml:3:30: error: a comma is missing
    3 |     backends: ["10.0.0.1:80" "10.0.0.2:80"]
      |                              ^
  hint: separate the items inside { } and [ ] with commas
`,
)

bad(
  'a second document',
  'listeners: {}\n---\npools: {}\n',
  `
bad.yaml:2:1: error: a second document begins here
    2 | ---
      | ^^^
  hint: a configuration is one document: remove the --- line
`,
)

bad(
  'a tag',
  top('log: !secret { level: info }'),
  `
bad.yaml:1:6: error: a tag means nothing here
    1 | log: !secret { level: info }
      |      ^^^^^^^
  hint: quote the value if it begins with !
`,
)

bad(
  'a merge of something that is no map',
  top('log: { <<: 5 }'),
  `
bad.yaml:1:8: error: log["<<"]: needs a map, or a list of maps, to merge
    1 | log: { <<: 5 }
      |        ^^
  hint: put &name on a map further up, and write <<: *name
`,
)

bad(
  'a key that is a map',
  top('? { a: 1 }\n: 2'),
  `
bad.yaml:1:3: error: this cannot be a key
    1 | ? { a: 1 }
      |   ^^^^^^^^
  hint: a key is a word followed by a colon
`,
)

bad(
  'a key that is empty',
  top(': 2'),
  `
bad.yaml:1:1: error: this cannot be a key
    1 | : 2
      | ^
  hint: a key is a word followed by a colon
`,
)

bad(
  'a key that JavaScript keeps for itself',
  top('__proto__: 2'),
  `
bad.yaml:1:1: error: this cannot be a key
    1 | __proto__: 2
      | ^^^^^^^^^
  hint: a key is a word followed by a colon
`,
)

bad(
  'an alias bomb',
  'x-a: &a [1,1,1,1,1,1,1,1,1,1,1,1]\nx-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nx-c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nx-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\nx-e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nx-f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\nx-g: [*f,*f,*f,*f,*f,*f]\n',
  `
bad.yaml:1:1: error: the file repeats itself by aliases too often, or nests too deeply
    1 | x-a: &a [1,1,1,1,1,1,1,1,1,1,1,1]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
`,
)

bad(
  'an anchor that merges itself',
  'x-a: &a { <<: *a, b: 1 }\n',
  `
bad.yaml:1:1: error: listeners: is missing
    1 | x-a: &a { <<: *a, b: 1 }
      | ^^^
  hint: expected a map from names to listeners
bad.yaml:1:11: error: x-a["<<"]: needs a map, or a list of maps, to merge
    1 | x-a: &a { <<: *a, b: 1 }
      |           ^^
  hint: put &name on a map further up, and write <<: *name
`,
)

bad(
  'an anchor that merges itself further in',
  'x-a: &a { b: { <<: *a } }\n',
  `
bad.yaml:1:1: error: listeners: is missing
    1 | x-a: &a { b: { <<: *a } }
      | ^^^
  hint: expected a map from names to listeners
bad.yaml:1:16: error: x-a.b["<<"]: needs a map, or a list of maps, to merge
    1 | x-a: &a { b: { <<: *a } }
      |                ^^
  hint: put &name on a map further up, and write <<: *name
`,
)

bad(
  'an anchor that holds itself',
  'x-a: &a [*a]\n',
  `
bad.yaml:1:1: error: listeners: is missing
    1 | x-a: &a [*a]
      | ^^^
  hint: expected a map from names to listeners
bad.yaml:1:10: error: x-a[0]: *a is a YAML alias, but no anchor &a comes before it
    1 | x-a: &a [*a]
      |          ^^
  hint: if the text is meant, quote it: "*a"
`,
)
