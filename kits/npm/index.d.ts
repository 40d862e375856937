/** What the server could not do. */
export class OxkeeperError extends Error {}
/** The path of the oxkeeper that is run: OXKEEPER, the one of this package, or the one in PATH. */
export function binary(): string;

declare class Process {
  readonly connectString: string;
  /** The connect string of each member. */
  readonly members: string[];
  /** Ends it, with its ports and files. */
  close(): Promise<void>;
}

/** A server that is alone, on loopback. */
export class TestingServer extends Process {
  static start(options?: { port?: number; dataDir?: string; settings?: Record<string, string | number> }): Promise<TestingServer>;
  readonly port: number;
  readonly dataDir: string;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** An ensemble on loopback, whose members have the numbers 1, 2, … */
export class TestingEnsemble extends Process {
  static start(members?: number, options?: { settings?: Record<string, string | number> }): Promise<TestingEnsemble>;
  stop(member: number): Promise<void>;
  kill(member: number): Promise<void>;
  restart(member: number): Promise<void>;
  pause(member: number): Promise<void>;
  resume(member: number): Promise<void>;
  partition(...members: number[]): Promise<void>;
  heal(): Promise<void>;
  awaitServing(...members: number[]): Promise<void>;
  mode(member: number): Promise<string | null>;
  leader(): Promise<number | null>;
}
