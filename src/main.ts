#!/usr/bin/env node
// Entry of the command line tool.

process.exitCode = 0
