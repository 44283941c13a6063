/** What comes first on a command line that is no build; also what a mistyped one may have meant. */
export const COMMANDS = [
  'images',
  'inspect',
  'history',
  'load',
  'save',
  'rmi',
  'pull',
  'push',
  'cp',
  'ls',
  'delete',
  'index',
  'login',
  'logout',
  'version',
  'help',
];
