// The processor's file of the sandboxed workers.
module.exports = async () => true;
