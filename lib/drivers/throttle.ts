import { environment } from '../aio/environment.js';
import { ChildRole } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { DriverDefinition, DriverOptions } from '../graph/driver-definition.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import { type MemberMirror, ThrottleMember } from '../throttle/member.js';
import { ThrottleGroup } from '../throttle/throttle-group.js';
import { type ThrottleInfo, throttleInfo } from '../throttle/throttle-info.js';

const GROUP = 'throttle-group';

const MIRROR: MemberMirror<BlockNode> = {
  setGroup: ({ handle }, group) => environment().binding.nodeSetGroup(handle, group),
  lanes: ({ handle }) => environment().binding.nodeThrottleInfo(handle),
};

const members = new WeakMap<BlockNode, ThrottleMember<BlockNode>>();

function memberOf(node: BlockNode): ThrottleMember<BlockNode> {
  let member = members.get(node);
  if (member === undefined) {
    member = new ThrottleMember<BlockNode>(node, MIRROR);
    members.set(node, member);
  }
  return member;
}

function missing(options: DriverOptions): string | undefined {
  const name = String(options[GROUP]);
  return ThrottleGroup.find(name) ? undefined : `the throttle group '${name}' does not exist`;
}

/** @throws BlockError ENOENT: it was deleted since the options were checked. */
function groupOf(options: DriverOptions): ThrottleGroup {
  const group = ThrottleGroup.find(String(options[GROUP]));
  if (group !== undefined) return group;
  throw new BlockError(Errno.ENOENT, { operation: 'open', text: missing(options) });
}

/** A filter that lets requests through as a throttle group permits (block/throttle.c). */
export const throttle: DriverDefinition = {
  name: 'throttle',
  options: [{ name: GROUP, type: 'string', required: true, strong: true }],
  children: [{ name: 'file', required: true, role: () => ChildRole.filtered | ChildRole.primary }],
  reopens: [GROUP],
  check: missing,
  opened: (node) => memberOf(node).join(groupOf(node.options)),
  closing: (node) => memberOf(node).leave(),
  // Nobody deletes the new group while the reopen waits, so that the commit cannot fail.
  reopening(node, options) {
    const group = groupOf(options);
    const release = group.pin();
    return {
      commit() {
        if (memberOf(node).group !== group) memberOf(node).join(group);
        release();
      },
      abort: release,
    };
  },
};

/**
 * What waits in a throttle node, and how long others have waited.
 *
 * @throws BlockError EINVAL when the node is no throttle node.
 */
export function throttleNodeInfo(target: BlockNode | string): ThrottleInfo {
  const node = typeof target === 'string' ? graph().find(target) : target;
  if (node.driver !== throttle) {
    const text = `it is of the driver '${node.driver.name}', not '${throttle.name}'`;
    throw new BlockError(Errno.EINVAL, { operation: 'throttle-info', node: node.name, text });
  }
  return throttleInfo(memberOf(node));
}
