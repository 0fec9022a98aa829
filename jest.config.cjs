const { availableParallelism } = require('node:os');

// Most suites wait for children and devices for much of their time, so that two keep two cores busy.
const WORKERS = Math.max(2, Math.floor(availableParallelism() / 2));

// BLOCK_BACKEND_TEST_WORKERS: jest's maxWorkers, for machines where the default is too many.
/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironment: 'node',
  testTimeout: 60_000,
  maxWorkers: process.env.BLOCK_BACKEND_TEST_WORKERS ?? WORKERS,
  // Built copies hold a second package.json with the same name.
  modulePathIgnorePatterns: ['<rootDir>/(build|san|cross|dist|dist\\.new|prebuilds)/'],
  // The sources import './x.js', as Node does after compilation; jest runs './x.ts'.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  coverageProvider: 'v8',
  collectCoverageFrom: ['lib/**/*.ts', '!lib/**/*.d.ts'],
  coverageDirectory: 'coverage/lib',
};
