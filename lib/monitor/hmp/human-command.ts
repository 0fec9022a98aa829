export interface HumanCommand {
  /** 'info block'; of two that a line begins with the earlier one in the table counts. */
  readonly name: string;
  readonly alias?: string;
  /** Flags as '[-n]', words as 'device', those that may be missing as '[device]', at the end. */
  readonly parameters: readonly string[];
  /** For `help`. */
  readonly doc: string;
  run(given: {
    readonly flags: ReadonlySet<string>;
    readonly words: readonly string[];
  }): string | Promise<string>;
}
