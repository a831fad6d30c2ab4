/** All functions, one line each. */
export { spec as accept } from '../functions/accept/accept.function.ts';
export { spec as apply } from '../functions/process/apply.function.ts';
export { spec as authenticate } from '../functions/authenticate/authenticate.function.ts';
export { spec as broadcast } from '../functions/broadcast/broadcast.function.ts';
export { spec as confirm } from '../functions/process/confirm.function.ts';
export { spec as connect } from '../functions/connect/connect.function.ts';
export { spec as decide } from '../functions/decide/decide.function.ts';
export { spec as describe } from '../functions/describe/describe.function.ts';
export { spec as health } from '../functions/health/health.function.ts';
export { spec as migrate } from '../functions/migrate/migrate.function.ts';
export { spec as query } from '../functions/query/query.function.ts';
export { spec as sweep } from '../functions/sweep/sweep.function.ts';
