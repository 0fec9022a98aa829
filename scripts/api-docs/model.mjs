// What the package exports, read from lib/ by TypeScript's own parser and checker: a plain model that
// knows nothing of pages.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API, SymbolFlags } from 'typescript/unstable/sync';
import { inRoot, root, UserError } from '../lib/project.mjs';

/** Entry file -> what users import. */
const entries = { 'lib/index.ts': 'block-backend', 'lib/v86/index.ts': 'block-backend/v86' };

const kinds = new Map([
  [SyntaxKind.ClassDeclaration, 'class'],
  [SyntaxKind.FunctionDeclaration, 'function'],
  [SyntaxKind.InterfaceDeclaration, 'interface'],
  [SyntaxKind.TypeAliasDeclaration, 'type'],
  [SyntaxKind.VariableDeclaration, 'constant'],
  [SyntaxKind.SourceFile, 'namespace'],
]);

const memberKinds = new Map([
  [SyntaxKind.Constructor, 'constructor'],
  [SyntaxKind.GetAccessor, 'property'],
  [SyntaxKind.PropertyDeclaration, 'property'],
  [SyntaxKind.MethodDeclaration, 'method'],
]);

/** The last comment of documentation before a node, without its stars; '' without one. */
function docOf(node, text) {
  const before = text.slice(node.pos, node.getStart());
  const [comment] = before.match(/\/\*\*(?:(?!\*\/)[\s\S])*\*\/(?=\s*$)/) ?? [''];
  return comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

/** A declaration without its body, or initial value, on as few lines as the source has. */
function headOf(node, text) {
  const end = node.body?.pos ?? (node.type && node.initializer ? node.type.end : node.end);
  const head = text.slice(node.getStart(), end).replace(/\s*[;{=]?\s*$/, '');
  const indent = /(^|\n)( *)$/.exec(text.slice(0, node.getStart()))?.[2].length ?? 0;
  return head.replaceAll(`\n${' '.repeat(indent)}`, '\n');
}

const hasModifier = (node, ...wanted) =>
  (node.modifiers ?? []).some(({ kind }) => wanted.includes(kind));

function isPublic(member, doc) {
  if (hasModifier(member, SyntaxKind.PrivateKeyword, SyntaxKind.ProtectedKeyword)) return false;
  return member.name?.kind !== SyntaxKind.PrivateIdentifier && !/@internal\b/.test(doc);
}

function lineOf(text, position) {
  return text.slice(0, position).split('\n').length;
}

/** Reads one project; declarations are found again by their symbols. */
class Reader {
  #api = new API({ cwd: root });
  #project;

  constructor() {
    const config = inRoot('tsconfig.json');
    const snapshot = this.#api.updateSnapshot({ openProjects: [config] });
    this.#project = snapshot.getProjects().find(({ configFileName }) => configFileName === config);
    if (this.#project === undefined) throw new UserError(`cannot read ${config}`);
  }

  close() {
    this.#api.close();
  }

  exportsOf(entry) {
    const { checker, program } = this.#project;
    const module = checker.getSymbolAtLocation(program.getSourceFile(inRoot(entry)));
    return checker
      .getExportsOfModule(module)
      .map((symbol) => this.#item(symbol.name, this.#resolved(symbol)));
  }

  #resolved(symbol) {
    return symbol.flags & SymbolFlags.Alias
      ? this.#project.checker.getAliasedSymbol(symbol)
      : symbol;
  }

  #item(name, symbol) {
    const node = symbol.declarations[0].resolve(this.#project);
    const file = node.getSourceFile();
    // A variable's comment and its `export const` belong to its statement.
    const holder = node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent : node;
    const item = {
      name,
      kind: kinds.get(node.kind),
      file: relative(root, file.fileName),
      line: lineOf(file.text, holder.getStart()),
      doc: docOf(holder, file.text),
      ...this.#contents(node, holder, file.text),
    };
    if (item.kind === undefined)
      throw new UserError(`${name}: ${SyntaxKind[node.kind]} is new here`);
    return item;
  }

  #contents(node, holder, text) {
    switch (kinds.get(node.kind) ?? '') {
      case 'class': {
        const [first, ...bases] = this.#lineage(node);
        const head = headOf(node, text.slice(0, node.members.pos));
        return { head, sections: [first, ...bases].filter(({ members }) => members.length > 0) };
      }
      case 'function':
        return { head: headOf(node, text) };
      case 'constant':
        return { head: headOf(holder, text.slice(0, this.#constantEnd(node))) };
      case 'namespace':
        return { head: '', doc: /^((?:\/\/.*\n)+)/.exec(text)?.[1].replace(/^\/\/ ?/gm, '') ?? '' };
      default:
        return { head: text.slice(node.getStart(), node.end) };
    }
  }

  #constantEnd(node) {
    return node.type?.end ?? node.end;
  }

  /** The members of a class and of those that it extends, the class itself first. */
  #lineage(node) {
    const { text } = node.getSourceFile();
    const own = { doc: docOf(node, text), members: membersOf(node) };
    const base = (node.heritageClauses ?? []).find(
      ({ token }) => token === SyntaxKind.ExtendsKeyword,
    )?.types[0].expression;
    const symbol = base && this.#project.checker.getSymbolAtLocation(base);
    const declared = symbol && this.#resolved(symbol).declarations[0]?.resolve(this.#project);
    const isOurs = declared?.getSourceFile().fileName.startsWith(inRoot('lib/'));
    return isOurs ? [own, ...this.#lineage(declared)] : [own];
  }
}

function membersOf(node) {
  const { text } = node.getSourceFile();
  return node.members.flatMap((member) => {
    const doc = docOf(member, text);
    const kind = memberKinds.get(member.kind);
    if (kind === undefined || !isPublic(member, doc)) return [];
    const name = kind === 'constructor' ? kind : member.name.getText();
    const isStatic = hasModifier(member, SyntaxKind.StaticKeyword);
    return [{ name, kind, isStatic, doc, head: headOf(member, text) }];
  });
}

/** Everything that users can import: [{ from, items }]. */
export function readExports() {
  const reader = new Reader();
  try {
    return Object.entries(entries).map(([entry, from]) => ({
      from,
      items: reader.exportsOf(entry),
    }));
  } finally {
    reader.close();
  }
}

export const packageVersion = () =>
  JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).version;
