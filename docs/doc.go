// Package docs holds the project's documentation, and tests that do what it says.
package docs
