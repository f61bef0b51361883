#!/usr/bin/env node
// Adds up what tests found: files of jest's --json, and lines "N passed, N failed, N skipped" in other files. A file that
// is missing, or holds neither, counts as one that failed.
const { readFileSync } = require('node:fs');

const sum = [0, 0, 0];
for (const file of process.argv.slice(2)) {
  found(file).forEach((count, at) => {
    sum[at] += count;
  });
}
console.log(`${sum[0]} passed, ${sum[1]} failed, ${sum[2]} skipped`);

function found(file) {
  try {
    const text = readFileSync(file, 'utf8');
    return text.trimStart().startsWith('{') ? results(JSON.parse(text)) : line(text);
  } catch {
    return [0, 1, 0];
  }
}

function results({ numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests }) {
  // A suite that does not even load has no tests.
  return [
    numPassedTests,
    numFailedTests > 0 ? numFailedTests : numFailedTestSuites,
    numPendingTests,
  ];
}

function line(text) {
  const lines = [...text.matchAll(/(\d+) passed, (\d+) failed, (\d+) skipped/g)];
  return lines.length === 0 ? [0, 1, 0] : lines.at(-1).slice(1).map(Number);
}
