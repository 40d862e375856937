'use strict';
/**
 * ZooKeeper servers for tests: a process that serves within milliseconds and ends with the test.
 *
 * The binary is the one that OXKEEPER names, bin/oxkeeper of this package, or the one in PATH.
 */
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

class OxkeeperError extends Error {}

/** The path of the oxkeeper that is run. */
function binary() {
  const own = path.join(__dirname, 'bin', 'oxkeeper');
  return process.env.OXKEEPER || (existsSync(own) ? own : 'oxkeeper');
}

/** `oxkeeper testing`: a line of JSON for each line that it is told. It ends when its standard input does. */
class Process {
  static async run(made, args, settings) {
    for (const [key, value] of Object.entries(settings || {})) args.push(`-D${key}=${value}`);
    const child = spawn(binary(), ['testing', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    made.child = child;
    made.waiting = [];
    made.ended = new Promise((resolve) => child.once('close', resolve));
    const fail = (error) => made.waiting.splice(0).forEach(({ reject }) => reject(error));
    child.once('error', (error) => fail(new OxkeeperError(`cannot run ${binary()}: ${error.message}`)));
    child.once('close', () => { made.closed = true; fail(new OxkeeperError('oxkeeper has ended')); });
    child.stdin.on('error', () => {});         // the answer that does not come tells
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const { resolve, reject } = made.waiting.shift();
      const answer = JSON.parse(line);
      if ('error' in answer) reject(new OxkeeperError(answer.error)); else resolve(answer);
    });
    const place = await new Promise((resolve, reject) => made.waiting.push({ resolve, reject }));
    made.connectString = place.connectString;
    made.members = place.members;
    made.dataDir = place.dataDir;
    return made;
  }

  tell(command, ...numbers) {
    return new Promise((resolve, reject) => {
      if (this.closed) { reject(new OxkeeperError('it is closed')); return; }
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${[command, ...numbers].join(' ')}\n`);
    });
  }

  /** Ends it, with its ports and files. More than once does no harm. */
  async close() {
    this.child.stdin.end();
    await this.ended;
  }
}

/** A server that is alone, on loopback. */
class TestingServer extends Process {
  /** @param options port, dataDir, settings (those of zoo.cfg) */
  static start({ port, dataDir, settings } = {}) {
    const args = [...(port ? [`--port=${port}`] : []), ...(dataDir ? [`--data-dir=${dataDir}`] : [])];
    return Process.run(new TestingServer(), args, settings);
  }

  /** The client port. It stays the same when the server is started again. */
  get port() { return Number(this.connectString.split(':').pop()); }
  /** Stops it; data and port stay. */
  async stop() { await this.tell('stop'); }
  /** The same without a word to anybody. */
  async kill() { await this.tell('kill'); }
  /** Starts it with the data and the port that it had; one that runs is stopped first. */
  async restart() { await this.tell('restart'); }
}

/** An ensemble on loopback. Its members have the numbers 1, 2, …; `members` are their connect strings. */
class TestingEnsemble extends Process {
  static start(members = 3, { settings } = {}) {
    return Process.run(new TestingEnsemble(), [`--members=${members}`], settings);
  }

  /** Stops a member; its data and port stay. */
  async stop(member) { await this.tell('stop', member); }
  /** The same without a word to anybody. */
  async kill(member) { await this.tell('kill', member); }
  /** Starts a member with the data and the port that it had. It does not wait until it serves: see awaitServing. */
  async restart(member) { await this.tell('restart', member); }
  /** Lets a member stand still, as far as anybody can see. */
  async pause(member) { await this.tell('pause', member); }
  /** Lets it go on. */
  async resume(member) { await this.tell('resume', member); }
  /** Cuts the lines between these members and all others. */
  async partition(...members) { await this.tell('partition', ...members); }
  /** Mends all lines. */
  async heal() { await this.tell('heal'); }
  /** Waits until these members serve, or all, half a minute at most. */
  async awaitServing(...members) { await this.tell('await', ...members); }
  /** 'leader', 'follower', or null where it does not serve. */
  async mode(member) { return (await this.tell('mode', member)).mode; }
  /** The number of the member that leads, or null. */
  async leader() { return (await this.tell('leader')).leader; }
}

module.exports = { OxkeeperError, TestingEnsemble, TestingServer, binary };
