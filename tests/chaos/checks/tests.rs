//! Made-up histories, each of which breaks one promise: what no check finds would go unnoticed.
