// What a module of real jobs imports: here the standard library's part of one that delivers webhooks.
import "node:buffer";
import "node:crypto";
import "node:http";
import "node:https";
import "node:url";
