//! The only user of HMAC keys: C2 request signing (CC-iSales) and webhook signatures (VoIPBin).
