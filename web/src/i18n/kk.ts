export const kk: Record<string, string> = {};
