// Package geoip tells the country of an address, from a database in MaxMind's format. It knows nothing of rules or packets.
package geoip
