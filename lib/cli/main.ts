#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError, type Option } from 'commander';
import { packageRoot } from '../package-root.js';
import { addBench } from './commands/bench.js';
import { addDaemon } from './commands/daemon.js';
import { addDemo } from './commands/demo.js';
import { addGraph } from './commands/graph.js';
import { addInfo } from './commands/info.js';
import { addIo } from './commands/io.js';
import { addNbd } from './commands/nbd.js';
import { addRebuild } from './commands/rebuild.js';
import { addServe } from './commands/serve.js';
import { addTop } from './commands/top.js';
import { CliError, ExitCode } from './shared/cli-error.js';

/** Read from the file, so that neither --version nor --help needs the addon. */
function packageVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Shorter than commander's own: --help is to fit on a screen. */
function describeOption({ description, argChoices, defaultValue }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`;
  const hasDefault = defaultValue !== undefined && typeof defaultValue !== 'boolean';
  return `${description}${choices}${hasDefault ? ` [${String(defaultValue)}]` : ''}`;
}

function makeProgram(): Command {
  const program = new Command('blk')
    .description("QEMU's block layer on Node.js")
    .version(packageVersion())
    .configureHelp({ optionDescription: describeOption })
    .exitOverride()
    // `blk io` has options with the names of blk's own.
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'blk: ')),
    });
  // They inherit what was configured above.
  addDemo(program);
  addBench(program);
  addDaemon(program);
  addGraph(program);
  addInfo(program);
  addServe(program);
  addNbd(program);
  addTop(program);
  addIo(program);
  addRebuild(program);
  return program;
}

function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    // It has said everything already.
    process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    return;
  }
  process.stderr.write(`blk: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof CliError ? error.exitCode : ExitCode.failure;
}

makeProgram().parseAsync().catch(fail);
