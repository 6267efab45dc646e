// Package smtp follows SMTP sessions (RFC 5321): commands, replies, pipelining, STARTTLS, chunks, and the mails in them with their
// attachments.
//
// A mail is a transaction; what comes before the first and after the last one is, too. It knows nothing of rules or output.
package smtp
