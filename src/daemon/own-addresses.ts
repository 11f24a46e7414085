import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

/** This machine's addresses; none where a sandbox keeps the kernel from being asked, as that of the machine's service does. */
export function ownAddresses(): NetworkInterfaceInfo[] {
  try {
    return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  } catch {
    return [];
  }
}
