//! The composition root: config → ledger, platforms, gateway, workers, server. The only spawner.
